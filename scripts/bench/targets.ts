import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, until } from '../run/port.ts';
import { type Core, launch, launchScript, type Program } from './process.ts';
import { modelOf, roots, type Wire } from './wire.ts';

/** Something that stands between the load generator and the upstream. */
export interface Target extends Program {
  readonly port: number;
}

/** The client key of the gateway under test. */
const clientKey = 'bench-client-key-0123456789abcdef';

/** Sent to every target, so that all carry the same bytes. */
export const headers = {
  authorization: `Bearer ${clientKey}`,
  'anthropic-version': '2023-06-01',
} as const;

export interface GatewaySetting {
  readonly binary: string;
  /** A folder of its own: config, login files, state. */
  readonly home: string;
  readonly upstreamPort: number;
}

/** Starts the binary with one upstream of each wire and waits until it answers `/healthz`. */
export async function gateway(setting: GatewaySetting, core: Core | undefined, everyMs = 5): Promise<Target> {
  const port = freePort();
  const config = join(setting.home, 'config.yaml');
  writeFileSync(config, configText(setting, port));
  const errors = join(setting.home, 'errors.log');
  const command = [setting.binary, 'serve', '--config', config];
  const program = launch(command, core, { env: { HOME: setting.home }, errors });
  await ready(program, errors, everyMs, async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok);
  return { ...program, port };
}

function configText({ home, upstreamPort }: GatewaySetting, port: number): string {
  const upstream = `http://127.0.0.1:${upstreamPort}`;
  const models = (wire: Wire) =>
    JSON.stringify([{ name: modelOf(wire, 'fast') }, { name: modelOf(wire, 'slow') }]);
  const entry = (wire: Wire) =>
    `  - { api-key: bench-upstream-key, base-url: "${upstream}${roots[wire]}", models: ${models(wire)} }`;
  return `
host: 127.0.0.1
port: ${port}
auth-dir: ${JSON.stringify(join(home, 'auth'))}
api-keys: [${clientKey}]
openai-compatibility:
  - name: bench
    base-url: ${upstream}${roots.chat}
    api-key-entries: [{ api-key: bench-upstream-key }]
    models: ${models('chat')}
claude-api-key:
${entry('messages')}
gemini-api-key:
${entry('gemini')}
codex-api-key:
${entry('responses')}
${entry('codex')}
`;
}

export const passThrough = (upstreamPort: number): Promise<Target> =>
  launchScript(join(import.meta.dir, 'pass-through.ts'), [String(upstreamPort)], 0);

export const upstream = (): Promise<Target> => launchScript(join(import.meta.dir, 'upstream.ts'), [], 1);

/** nginx as one process, where it is installed. */
export async function nginx(folder: string, upstreamPort: number): Promise<Target | undefined> {
  const binary =
    Bun.which('nginx') ?? ['/usr/sbin/nginx', '/usr/local/sbin/nginx'].find((path) => existsSync(path));
  if (binary === undefined) return undefined;
  const port = freePort();
  const config = join(folder, 'nginx.conf');
  writeFileSync(config, nginxText(folder, upstreamPort, port));
  const errors = join(folder, 'errors.log');
  const program = launch([binary, '-p', folder, '-e', 'stderr', '-c', config], 0, { errors });
  await ready(program, errors, 5, async () => (await fetch(`http://127.0.0.1:${port}/`)).status > 0);
  return { ...program, port };
}

const nginxText = (folder: string, upstreamPort: number, port: number): string => `
daemon off;
master_process off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  upstream mock { server 127.0.0.1:${upstreamPort}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    keepalive_requests 1000000000;
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`;

async function ready(
  { pid }: Program,
  errors: string,
  everyMs: number,
  ask: () => Promise<boolean>,
): Promise<void> {
  try {
    await until(ask, gone(pid), { everyMs });
  } catch (cause) {
    throw new Error(`A program of the bench did not start:\n${readFileSync(errors, 'utf8')}`, { cause });
  }
}

/** Settles when there is no such process any more. */
async function gone(pid: number): Promise<void> {
  try {
    while (process.kill(pid, 0)) await Bun.sleep(50);
  } catch {
    return;
  }
}
