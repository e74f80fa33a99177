import { afterEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collected } from './collected.ts';

const made: string[] = [];
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that does not exist yet, below one that does. */
function logFolder(): string {
  const base = mkdtempSync(join(tmpdir(), 'telemetry-'));
  made.push(base);
  return join(base, 'logs');
}

const mode = (path: string) => statSync(path).mode & 0o777;
const eventsOf = (lines: readonly string[]) => lines.map((line) => JSON.parse(line).event);
const fileEvents = (folder: string) =>
  eventsOf(readFileSync(join(folder, 'main.log'), 'utf8').split('\n').slice(0, -1));

function logging(
  folder: string,
  options: { readonly now?: () => number; readonly maxTotalBytes?: number } = {},
) {
  const all = collected(options);
  all.telemetry.configure({ debug: false, folder, maxTotalBytes: options.maxTotalBytes ?? 0 });
  return all;
}

test('writes JSON lines to main.log, readable by its owner only', async () => {
  const folder = logFolder();
  const { telemetry } = logging(folder);
  telemetry.log('info', 'one');
  telemetry.log('info', 'two');
  await telemetry.drained();
  expect(fileEvents(folder)).toEqual(['one', 'two']);
  expect(mode(folder)).toBe(0o700);
  expect(mode(join(folder, 'main.log'))).toBe(0o600);
});

test('takes rights away from an older main.log that others could read', () => {
  const folder = logFolder();
  mkdirSync(folder);
  writeFileSync(join(folder, 'main.log'), '', { mode: 0o644 });
  logging(folder);
  expect(mode(join(folder, 'main.log'))).toBe(0o600);
});

test('writes to standard output as well', async () => {
  const { telemetry, lines } = logging(logFolder());
  telemetry.log('info', 'one');
  expect(eventsOf(await lines())).toEqual(['one']);
});

test('shows lines of earlier runs before those of this one', async () => {
  const folder = logFolder();
  const first = logging(folder).telemetry;
  first.log('info', 'yesterday');
  await first.drained();
  const { telemetry } = collected();
  telemetry.log('info', 'starting');
  telemetry.configure({ debug: false, folder, maxTotalBytes: 0 });
  telemetry.log('info', 'started');
  expect(eventsOf(telemetry.lines({}).lines)).toEqual(['yesterday', 'starting', 'started']);
});

test('rotates main.log at 10 MB and keeps every line', async () => {
  const folder = logFolder();
  const { telemetry } = logging(folder, { now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'main.log'), `${'x'.repeat(10 * 1024 * 1024)}\n`);
  telemetry.log('info', 'last of the old');
  await telemetry.drained();
  telemetry.log('info', 'first of the new');
  await telemetry.drained();
  expect(readdirSync(folder).sort()).toEqual(['main-2026-01-02T03-04-05.006.log', 'main.log']);
  expect(fileEvents(folder)).toEqual(['first of the new']);
});

test('removes the oldest rotated files when all together pass the limit, and nothing that is not its own', async () => {
  const folder = logFolder();
  mkdirSync(folder);
  for (let day = 1; day <= 6; day++)
    writeFileSync(join(folder, `main-2026-01-0${day}T00-00-00.000.log`), 'x'.repeat(400));
  writeFileSync(join(folder, 'syslog.log'), 'x'.repeat(5_000));
  const { telemetry } = logging(folder, { now: () => Date.UTC(2026, 0, 7), maxTotalBytes: 4_000 });
  telemetry.log('info', 'long', { text: 'y'.repeat(1_100) });
  await telemetry.drained();
  expect(readdirSync(folder).sort()).toEqual([
    ...[3, 4, 5, 6, 7].map((day) => `main-2026-01-0${day}T00-00-00.000.log`),
    'syslog.log',
  ]);
});

test('clears main.log and the rotated files', async () => {
  const folder = logFolder();
  const { telemetry } = logging(folder);
  writeFileSync(join(folder, 'main-2026-01-01T00-00-00.000.log'), 'x');
  telemetry.log('info', 'one');
  expect(await telemetry.clear()).toBe(1);
  expect(readFileSync(join(folder, 'main.log'), 'utf8')).toBe('');
  expect(telemetry.lines({}).lines).toEqual([]);
});

test('makes its folder again when somebody removed it', async () => {
  const folder = logFolder();
  const { telemetry } = logging(folder);
  rmSync(folder, { recursive: true });
  telemetry.log('info', 'still here');
  await telemetry.drained();
  expect(fileEvents(folder)).toEqual(['still here']);
});

test('a disk that fails costs one warning; the log goes on at standard output and returns to the file when it works again', async () => {
  const folder = logFolder();
  let nowMs = Date.UTC(2026, 0, 1);
  const { telemetry, lines } = logging(folder, { now: () => nowMs });
  rmSync(folder, { recursive: true });
  writeFileSync(folder, 'a file where the folder was');
  for (const name of ['one', 'two', 'three']) {
    telemetry.log('info', name);
    await telemetry.drained();
  }
  expect(eventsOf(await lines()).sort()).toEqual(['log-file-failed', 'one', 'three', 'two']);
  rmSync(folder);
  nowMs += 61_000;
  telemetry.log('info', 'four');
  await telemetry.drained();
  telemetry.log('info', 'five');
  await telemetry.drained();
  expect(fileEvents(folder)).toEqual(['four', 'log-file-recovered', 'five']);
  expect(eventsOf(await lines()).slice(-3)).toEqual(['four', 'log-file-recovered', 'five']);
});

test('a folder that cannot be made costs one warning at the start', async () => {
  const folder = logFolder();
  writeFileSync(folder, '');
  const { telemetry, lines } = logging(join(folder, 'below a file'));
  telemetry.log('info', 'one');
  expect(eventsOf(await lines()).sort()).toEqual(['log-file-failed', 'one']);
});

test('leaves the file alone when the config no longer asks for it', async () => {
  const folder = logFolder();
  const { telemetry, lines } = logging(folder);
  telemetry.log('info', 'to both');
  telemetry.configure({ debug: false, folder: undefined, maxTotalBytes: 0 });
  telemetry.log('info', 'to the output');
  expect(eventsOf(await lines())).toEqual(['to both', 'to the output']);
  expect(fileEvents(folder)).toEqual(['to both']);
});

test('flush leaves nothing behind', () => {
  const folder = logFolder();
  const { telemetry } = logging(folder);
  telemetry.log('info', 'last words');
  telemetry.flush();
  expect(fileEvents(folder)).toEqual(['last words']);
});
