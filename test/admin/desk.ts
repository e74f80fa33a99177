import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Channel } from '../../src/channels/channel.ts';
import type { AdminHall } from '../../src/admin/hall.ts';
import { Pool } from '../../src/accounts/pool/pool.ts';
import { createAdmin } from '../../src/admin/index.ts';
import { createSteward } from '../../src/config/steward.ts';
import { createState } from '../../src/state/state.ts';
import { createTraces, traceLimits } from '../../src/telemetry/traces.ts';
import { collected } from '../telemetry/collected.ts';

export const managementKey = 'the management key';
export const clientKey = 'sk-client-key-0123456789abcdef';

export const plainConfig = `# kept comment
port: 8317
remote-management:
  secret-key: "${managementKey}"
  allow-remote: false
api-keys:
  - ${clientKey}
`;

export interface DeskOptions extends Partial<AdminHall> {
  readonly channels?: readonly Channel[];
  readonly config?: string;
  /** False for a config file in a place where nothing can be written. */
  readonly writable?: boolean;
  readonly local?: boolean;
}

/** A management API over a real config file, with everything around it that a test wants to look at. */
export function desk({
  config = plainConfig,
  writable = true,
  local = true,
  channels = [],
  ...changes
}: DeskOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'admin-'));
  folders.push(folder);
  const file = join(folder, 'config.yaml');
  writeFileSync(file, config);
  const { telemetry, lines } = collected();
  const steward = createSteward({
    source: { path: writable ? file : join(file, 'below-a-file.yaml'), why: '--config' },
    text: config,
    environment: {},
    log: () => {},
    channels,
  });
  const place = { local };
  const traces = createTraces(createState().space('traces', traceLimits));
  const app = createAdmin(
    {
      steward,
      telemetry,
      traces,
      pool: new Pool(),
      version: '1.2.3',
      commit: 'abc',
      builtAt: '2026-01-01T00:00:00Z',
      ...changes,
    },
    {
      isLocal: () => place.local,
      requestId: (request) => request.headers.get('x-request-id') ?? 'req_test',
    },
  );

  /** A request with the management key, unless its headers or the third argument say otherwise. */
  const ask = (path: string, init: RequestInit = {}, key = managementKey) => {
    const headers = new Headers(init.headers);
    if (key !== '' && !headers.has('authorization')) headers.set('authorization', `Bearer ${key}`);
    return app.handle(new Request(`http://localhost/v0/management${path}`, { ...init, headers }));
  };

  return {
    app,
    ask,
    steward,
    telemetry,
    traces,
    lines,
    place,
    file,
    onDisk: () => readFileSync(file, 'utf8'),
  };
}

const folders: string[] = [];

/** Removes what the desks of a test file left on the disk. */
export function clearDesks(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
