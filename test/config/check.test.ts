import { afterEach, beforeEach, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildRuntime } from '../../src/config/build.ts';
import { checkFile, explain, reference } from '../../src/config/check.ts';
import { readConfig } from '../../src/config/read.ts';
import { temporaryFolder } from './support.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => (folder = temporaryFolder()));
afterEach(() => folder.remove());

function put(text: string): string {
  const path = join(folder.path, 'config.yaml');
  writeFileSync(path, text);
  return path;
}

test('a good file is summed up', async () => {
  const path = put('api-keys: [a, b]\ndemo: true\nremote-management: {secret-key: x}\nprot: 1\n');
  const { faults, notices, summary } = await checkFile(path, { environment: {} });
  expect(faults).toEqual([]);
  expect(notices.map(({ path: key }) => key)).toEqual(['prot']);
  expect(summary).toMatchObject({
    listen: '::, port 8317 (host is empty and there are client keys)',
    clientKeys: 2,
    management: 'this machine',
    providers: [{ name: 'demo', credentials: 1 }],
  });
  expect(summary?.models).toBeGreaterThan(0);
});

test('a bad file is told with all its faults, those of channels too', async () => {
  const path = put('claude-api-key:\n  - api-key: k\n    base-url: nowhere\n    proxy-url: nowhere\n');
  const { faults, summary } = await checkFile(path, { environment: {} });
  expect(summary).toBeUndefined();
  expect(faults.length).toBeGreaterThan(0);
  expect(faults[0]).toMatchObject({ file: path, path: expect.stringMatching(/^claude-api-key\[0\]\./) });
});

test('warnings are told beside faults, by whoever finds the fault', async () => {
  const typed = put('prot: 1\nport: many\nws-auth: false\n');
  const { faults, notices } = await checkFile(typed, { environment: {} });
  expect(faults.map(({ path }) => path)).toEqual(['port']);
  expect(notices.map(({ path }) => path)).toEqual(['prot', 'ws-auth']);

  const opened = put('prot: 1\nclaude-api-key:\n  - {api-key: k, base-url: nowhere}\n');
  expect((await checkFile(opened, { environment: {} })).notices.map(({ path }) => path)).toEqual(['prot']);
  expect(() => buildRuntime(readConfig(opened), { environment: {}, file: opened })).toThrow(
    `warning: ${opened}:1: prot: `,
  );
});

test('a file that is not there is a fault too', async () => {
  const { faults } = await checkFile(join(folder.path, 'gone.yaml'), { environment: {} });
  expect(faults).toMatchObject([{ message: 'there is no such file' }]);
});

test('the reference names type, default, restart and effect of every key', () => {
  const rows = new Map(reference().map((row) => [row.key, row]));
  expect(rows.get('port')).toEqual({
    key: 'port',
    type: 'a whole number from 0 to 65535',
    default: '8317',
    description: 'Port to listen on; 0 lets the system choose a free one.',
    restart: true,
    withoutEffect: '',
  });
  expect(rows.get('plugins')?.withoutEffect).toBe('this program loads no foreign code');
  expect(rows.has('openai-compatibility[].base-url')).toBe(true);
  expect(rows.has('demo.enabled')).toBe(true);
  expect(explain()).toContain(
    'port\n  Port to listen on; 0 lets the system choose a free one.\n  (a whole number',
  );
});
