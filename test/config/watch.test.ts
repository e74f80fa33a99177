import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSteward, type LiveSteward } from '../../src/config/steward.ts';
import { type Watch, watchConfig } from '../../src/config/watch.ts';
import { recordingLog, temporaryFolder } from './support.ts';

let folder: ReturnType<typeof temporaryFolder>;
let watch: Watch | undefined;
beforeEach(() => (folder = temporaryFolder()));
afterEach(() => {
  watch?.close();
  folder.remove();
});
const at = (path: string) => join(folder.path, path);

/** A steward on a watched file; `swapped` is kept by the next swap. Polling is off unless a test asks for it. */
function watched(path: string, pollMs = 3_600_000) {
  const log = recordingLog();
  const text = 'port: 1\n';
  const steward = createSteward({
    source: { path, why: 'test' },
    text,
    environment: {},
    log: log.log,
    channels: [],
  });
  watch = watchConfig({ path, steward, log: log.log, debounceMs: 5, pollMs });
  return { steward, ...log, swapped: () => nextSwap(steward) };
}

const nextSwap = (steward: LiveSteward) =>
  new Promise<number>((resolve) => {
    const end = steward.onSwap(({ config }) => {
      end();
      resolve(config.port);
    });
  });

function put(path: string, text = 'port: 1\n'): string {
  writeFileSync(at(path), text);
  return at(path);
}

describe('the watcher takes up', () => {
  test('an edit in place', async () => {
    const { swapped } = watched(put('config.yaml'));
    const swap = swapped();
    put('config.yaml', 'port: 2\n');
    expect(await swap).toBe(2);
  });

  test('a rename over the file, again and again', async () => {
    const { swapped } = watched(put('config.yaml'));
    for (const port of [2, 3, 4]) {
      const swap = swapped();
      put('new.yaml', `port: ${port}\n`);
      renameSync(at('new.yaml'), at('config.yaml'));
      expect(await swap).toBe(port);
    }
  });

  test('a swapped symlink, as Kubernetes mounts a ConfigMap', async () => {
    for (const [version, port] of Object.entries({ v1: 1, v2: 2, v3: 3 })) {
      mkdirSync(at(version));
      put(`${version}/config.yaml`, `port: ${port}\n`);
    }
    symlinkSync('v1', at('..data'));
    symlinkSync('..data/config.yaml', at('config.yaml'));
    const { swapped } = watched(at('config.yaml'));
    for (const [version, port] of Object.entries({ v2: 2, v3: 3 })) {
      const swap = swapped();
      symlinkSync(version, at('..tmp'));
      renameSync(at('..tmp'), at('..data'));
      expect(await swap).toBe(port);
    }
  });

  test('an edit of the file that a symlink in another folder points to', async () => {
    mkdirSync(at('elsewhere'));
    put('elsewhere/real.yaml');
    symlinkSync('elsewhere/real.yaml', at('config.yaml'));
    const { swapped } = watched(at('config.yaml'));
    const swap = swapped();
    put('elsewhere/real.yaml', 'port: 5\n');
    expect(await swap).toBe(5);
  });

  test('removal, which it tells, and return', async () => {
    const { steward, next, swapped } = watched(put('config.yaml'));
    const gone = next('config-gone');
    rmSync(at('config.yaml'));
    expect(await gone).toMatchObject({ level: 'warn', fields: { file: at('config.yaml') } });
    expect(steward.current.config.port).toBe(1);
    const swap = swapped();
    put('config.yaml', 'port: 6\n');
    expect(await swap).toBe(6);
  });

  test('a folder that is removed and made again, by looking now and then', async () => {
    mkdirSync(at('folder'));
    const { next, swapped } = watched(put('folder/config.yaml'), 5);
    const gone = next('config-gone');
    rmSync(at('folder'), { recursive: true });
    await gone;
    const swap = swapped();
    mkdirSync(at('folder'));
    put('folder/config.yaml', 'port: 7\n');
    expect(await swap).toBe(7);
  });

  test('a change made before it began to watch', async () => {
    const path = put('config.yaml');
    const log = recordingLog();
    const steward = createSteward({
      source: { path, why: 'test' },
      text: 'port: 1\n',
      environment: {},
      log: log.log,
      channels: [],
    });
    put('config.yaml', 'port: 8\n');
    const swap = nextSwap(steward);
    watch = watchConfig({ path, steward, log: log.log, debounceMs: 1, pollMs: 3_600_000 });
    expect(await swap).toBe(8);
  });
});

describe('the watcher leaves alone', () => {
  test('a file that cannot be used: it says so once and keeps the old config', async () => {
    const { steward, next, lines, swapped } = watched(put('config.yaml'));
    const before = steward.current;
    const refusal = next('config-refused');
    put('config.yaml', 'port: x\n');
    expect((await refusal).fields).toMatchObject({ file: at('config.yaml'), reason: 'faults: 1' });
    expect(lines.find(({ event }) => event === 'config-fault')).toEqual({
      level: 'error',
      event: 'config-fault',
      fields: {
        where: `${at('config.yaml')}:1:7`,
        path: 'port',
        fault: 'found "x"; expected a whole number from 0 to 65535.',
      },
    });
    await watch?.check();
    await watch?.check();
    expect(lines.filter(({ event }) => event === 'config-refused')).toHaveLength(1);
    expect(steward.current).toBe(before);
    const swap = swapped();
    put('config.yaml', 'port: 9\n');
    expect(await swap).toBe(9);
  });

  test('what the program wrote itself', async () => {
    const { steward, lines } = watched(put('config.yaml'));
    const { etag } = steward.current;
    await steward.apply('port: 2\n', { persist: true });
    await watch?.check();
    expect(lines.filter(({ event }) => event === 'config-applied')).toHaveLength(1);
    expect(steward.current.etag).not.toBe(etag);
  });

  test('an edit in effect that could not be written', async () => {
    const { steward } = watched(put('config.yaml'));
    await steward.apply('port: 2\n');
    await watch?.check();
    expect(steward.current.config.port).toBe(2);
  });

  test('everything once it is closed', async () => {
    const { steward } = watched(put('config.yaml'));
    watch?.close();
    put('config.yaml', 'port: 2\n');
    await watch?.check();
    expect(steward.current.config.port).toBe(1);
  });
});
