import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Channel, channel, type Connection } from '../../src/channels/channel.ts';
import { etagOf } from '../../src/config/build.ts';
import { ConfigError, faultLine } from '../../src/config/fault.ts';
import { createSteward, type StewardOptions } from '../../src/config/steward.ts';
import { recordingLog, refused, temporaryFolder } from './support.ts';

let folder: ReturnType<typeof temporaryFolder>;
let path: string;
beforeEach(() => {
  folder = temporaryFolder();
  path = join(folder.path, 'config.yaml');
});
afterEach(() => folder.remove());

/** A place that serves one model and tells when it is closed. */
const placeNamed = (name: string, closed: string[]): Connection => ({
  id: `places:${name}`,
  provider: name,
  accounts: [],
  models: { declared: [{ name: `${name}-model` }], excluded: [] },
  speaks: () => ({ id: 'none', issuer: 'none', losses: [] }),
  prepare: () => ({ method: 'GET', url: 'http://127.0.0.1/', headers: new Headers(), proxy: 'direct' }),
  close: async () => void closed.push(name),
});

/** A channel that refuses and warns on demand; without a slice it opens what the variable PLACE names. */
function places(closed: string[] = []): Channel {
  const place = Type.Object({ name: Type.String(), url: Type.Optional(Type.String()) });
  return channel({
    id: 'places',
    settings: { places: Type.Array(place) },
    open: (_, slice, tools) =>
      slice.map(({ name, url }, index) => {
        if (url === 'bad') tools.refuse(`[${index}].url`, 'an address such as https://a.example');
        if (url === 'odd') tools.warn(`[${index}].url`, 'is odd');
        return placeNamed(name, closed);
      }),
    ambient: (configured, { environment }) =>
      configured.has('places') || environment.PLACE === undefined
        ? []
        : [placeNamed(environment.PLACE, closed)],
  });
}

function start(text: string, options: Partial<StewardOptions> = {}, mode = 0o600) {
  const { log, lines, events } = recordingLog();
  writeFileSync(path, text, { mode });
  const steward = createSteward({
    source: { path, why: 'test' },
    text,
    environment: {},
    log,
    channels: [places()],
    ...options,
  });
  return { steward, lines, events };
}

const providers = (text: { current: { connections: readonly Connection[] } }) =>
  text.current.connections.map(({ provider }) => provider);

async function refusedBy(promise: Promise<unknown>): Promise<ConfigError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ConfigError) return error;
  throw new Error(`Not refused as a config: ${String(error)}`);
}

describe('the first runtime', () => {
  test('holds the config, the text, the connections and the keys as hashes', () => {
    const text = 'api-keys: [sk-0123456789abcdef]\nplaces: [{name: a}]\n';
    const { steward } = start(text);
    const { config, clientKeys, etag, registry } = steward.current;
    expect(config.port).toBe(8317);
    expect(steward.current.text).toBe(text);
    expect(etag).toBe(etagOf(text));
    expect(etag).toMatch(/^[0-9a-f]{32}$/);
    expect([...clientKeys]).toEqual([[Bun.SHA256.hash('sk-0123456789abcdef', 'hex'), 'sk-0...cdef']]);
    expect(registry.list().map(({ id }) => id)).toEqual(['a-model']);
  });

  test('is refused with the line that a channel finds wrong, all of them at once', () => {
    const other = channel({
      id: 'other',
      settings: { other: Type.Object({ at: Type.String() }) },
      open: (_, __, tools) => tools.refuse('at', 'something else'),
    });
    const text = 'other:\n  at: x\nplaces:\n  - name: a\n  - name: b\n    url: bad\n';
    const { faults } = refused(() => start(text, { channels: [places(), other] }));
    expect(faults.map(faultLine)).toEqual([
      `${path}:2:7: other.at: cannot be used; expected something else.`,
      `${path}:6:10: places[1].url: cannot be used; expected an address such as https://a.example.`,
    ]);
    expect(faults[1]?.excerpt).toBe(
      '  4 |   - name: a\n  5 |   - name: b\n  6 |     url: bad\n    |          ^',
    );
  });

  test('has what the environment alone asks for, unless the file has its own', () => {
    expect(providers(start('', { environment: { PLACE: 'ambient' } }).steward)).toEqual(['ambient']);
    expect(providers(start('places: []\n', { environment: { PLACE: 'ambient' } }).steward)).toEqual([]);
  });

  test('uses an entry that is listed twice once, and says so', () => {
    const { steward, lines } = start('places: [{name: a}, {name: a}]\n');
    expect(providers(steward)).toEqual(['a']);
    expect(lines.map(({ fields }) => fields)).toEqual([
      { where: `${path}:1`, path: 'places', notice: 'an entry is listed twice; it is used once' },
    ]);
  });

  test('warns of a file that every user of the machine can read', () => {
    const { lines } = start('port: 1\n', {}, 0o644);
    expect(lines.map(({ fields }) => fields)).toEqual([
      { where: path, notice: `every user of this machine can read it; run chmod 600 ${path}` },
    ]);
  });

  test('logs each warning, and keys without effect together by reason', () => {
    const { lines } = start(
      'places: [{name: a, url: odd}]\nrequest-log: true\ncommercial-mode: true\nprot: 1\n',
    );
    expect(lines).toEqual([
      {
        level: 'warn',
        event: 'config',
        fields: { where: `${path}:4`, path: 'prot', notice: 'unknown key, ignored; did you mean port?' },
      },
      {
        level: 'warn',
        event: 'config',
        fields: { where: `${path}:1`, path: 'places[0].url', notice: 'is odd' },
      },
      {
        level: 'warn',
        event: 'config-without-effect',
        fields: { keys: ['commercial-mode', 'request-log'], reason: 'this version does not act on it yet' },
      },
    ]);
  });
});

describe('apply', () => {
  test('swaps the whole runtime, then closes the old one', async () => {
    const closed: string[] = [];
    const { steward } = start('places: [{name: a}]\n', { channels: [places(closed)] });
    const before = steward.current;
    const swaps: [string, string][] = [];
    steward.onSwap((now, previous) => swaps.push([now.etag, previous.etag]));
    const applied = await steward.apply('places: [{name: b}]\n');
    expect(applied).toMatchObject({ outcome: 'swapped', etag: steward.current.etag, needsRestart: [] });
    expect(providers(steward)).toEqual(['b']);
    expect(providers({ current: before })).toEqual(['a']);
    expect(swaps).toEqual([[steward.current.etag, before.etag]]);
    expect(closed).toEqual(['a']);
  });

  test('leaves the old runtime as it was when anything is wrong', async () => {
    const { steward } = start('places: [{name: a}]\n');
    const before = steward.current;
    for (const text of ['port: x\n', 'a: b: c\n', 'places: [{name: a, url: bad}]\n', 'host: 0.0.0.0\n'])
      expect((await refusedBy(steward.apply(text))).faults).toHaveLength(1);
    expect(steward.current).toBe(before);
    expect(readFileSync(path, 'utf8')).toBe('places: [{name: a}]\n');
  });

  test('says so when nothing changed', async () => {
    const { steward } = start('port: 1\n');
    expect(await steward.apply('port: 1\n', { persist: true })).toEqual({
      outcome: 'unchanged',
      etag: steward.current.etag,
    });
  });

  test('refuses an edit that began with another version', async () => {
    const { steward } = start('port: 1\n');
    const { etag } = steward.current;
    expect(await steward.apply('port: 2\n', { ifMatch: 'other' })).toEqual({
      outcome: 'etag-mismatch',
      etag,
    });
    expect((await steward.apply('port: 2\n', { ifMatch: etag })).outcome).toBe('swapped');
    expect((await steward.apply('port: 3\n', { ifMatch: etag })).outcome).toBe('etag-mismatch');
  });

  test('lets one of two edits of the same version through', async () => {
    const { steward } = start('port: 1\n');
    const ifMatch = steward.current.etag;
    const outcomes = await Promise.all(
      ['debug: true\n', 'debug: true\nport: 2\n'].map((text) =>
        steward.apply(text, { ifMatch, persist: true }),
      ),
    );
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['swapped', 'etag-mismatch']);
    expect(readFileSync(path, 'utf8')).toBe('debug: true\n');
  });

  test('goes on after an edit that failed', async () => {
    const { steward } = start('port: 1\n');
    const [failed, fine] = await Promise.allSettled([steward.apply('port: x\n'), steward.apply('port: 2\n')]);
    expect([failed?.status, fine?.status]).toEqual(['rejected', 'fulfilled']);
    expect(steward.current.config.port).toBe(2);
  });

  test('checks without changing anything on a dry run, and closes what it built', async () => {
    const closed: string[] = [];
    const { steward } = start('places: [{name: a}]\n', { channels: [places(closed)] });
    const { etag } = steward.current;
    const applied = await steward.apply('places: [{name: b}]\nport: 9\n', { dryRun: true, persist: true });
    expect(applied).toMatchObject({ outcome: 'swapped', persisted: false, needsRestart: ['port'] });
    expect(steward.current.etag).toBe(etag);
    expect(closed).toEqual(['b']);
    expect(readFileSync(path, 'utf8')).toBe('places: [{name: a}]\n');
    await refusedBy(steward.apply('port: x\n', { dryRun: true }));
  });

  test('names the changed settings that wait for a restart, measured against the start', async () => {
    const { steward } = start('api-keys: [a]\nport: 1\n');
    const needs = async (text: string) => {
      const applied = await steward.apply(text);
      return applied.outcome === 'swapped' ? applied.needsRestart : applied.outcome;
    };
    expect(await needs('api-keys: [a]\nport: 2\ntls: {enable: true, cert: a, key: b}\n')).toEqual([
      'port',
      'tls.enable',
      'tls.cert',
      'tls.key',
    ]);
    expect(await needs('api-keys: [a, b]\nport: 2\n')).toEqual(['port']);
    expect(await needs('api-keys: [a, b]\nport: 1\n')).toEqual([]);
  });

  test('a first client key would open the gateway to others: that waits for a restart', async () => {
    const { steward } = start('debug: false\n');
    expect(await steward.apply('api-keys: [a]\n')).toMatchObject({ needsRestart: ['host'] });
    expect(steward.current.clientKeys.size).toBe(1);
  });

  test('never takes the last client key from a gateway that others reach', async () => {
    const { steward } = start('api-keys: [a]\n');
    const { message } = await refusedBy(steward.apply('debug: true\n'));
    expect(message).toBe(
      `${path}: api-keys: is empty while the gateway listens beyond this machine; expected at least one key, or a restart, after which only this machine is served.`,
    );
    expect(steward.current.clientKeys.size).toBe(1);
    const local = start('host: localhost\napi-keys: [a]\n').steward;
    await local.apply('host: localhost\n');
    expect(local.current.clientKeys.size).toBe(0);
  });
});

describe('persisting', () => {
  test('writes the text as it is, comments and all', async () => {
    const { steward } = start('port: 1\n');
    const text = '# mine\nport: 1   # here\n\ndebug: true\n';
    expect(await steward.apply(text, { persist: true })).toMatchObject({
      outcome: 'swapped',
      persisted: true,
    });
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  test('is only done when asked for', async () => {
    const { steward } = start('port: 1\n');
    expect(await steward.apply('port: 2\n')).toMatchObject({
      persisted: false,
      reason: 'it was not asked to be written',
    });
    expect(readFileSync(path, 'utf8')).toBe('port: 1\n');
  });

  test('that fails leaves the change in effect and says why; the next try may succeed', async () => {
    writeFileSync(join(folder.path, 'file'), '');
    const blocked = join(folder.path, 'file', 'config.yaml');
    const { steward, events } = start('port: 1\n', { source: { path: blocked, why: 'test' } });
    const applied = await steward.apply('port: 2\n', { persist: true });
    expect(applied).toMatchObject({
      outcome: 'swapped',
      persisted: false,
      reason: expect.stringContaining(blocked),
    });
    expect(steward.current.config.port).toBe(2);
    expect(events()).toContain('config-not-persisted');
    expect(await steward.apply('port: 2\n', { persist: true })).toMatchObject({
      outcome: 'swapped',
      persisted: false,
    });
  });

  test('without a file says so', async () => {
    const { steward } = start('port: 1\n', { source: { path: undefined, why: 'test' } });
    expect(await steward.apply('port: 2\n', { persist: true })).toMatchObject({
      persisted: false,
      reason: 'the program runs without a config file',
    });
    expect(await steward.reload()).toMatchObject({ outcome: 'unchanged' });
  });
});

describe('reload', () => {
  test('takes what the file holds now', async () => {
    const { steward } = start('port: 1\n');
    expect(await steward.reload()).toMatchObject({ outcome: 'unchanged' });
    writeFileSync(path, 'debug: true\n');
    expect(await steward.reload()).toMatchObject({ outcome: 'swapped', persisted: true });
    expect(steward.current.config.debug).toBe(true);
  });

  test.each(['', ' \n\n'])('refuses a file that holds nothing (%j)', async (text) => {
    const { steward } = start('port: 1\n');
    writeFileSync(path, text);
    expect((await refusedBy(steward.reload())).message).toContain('the file is empty');
    expect(steward.current.config.port).toBe(1);
  });

  test('a file with faults: its warnings are told as well, once', async () => {
    const { steward, lines } = start('{}\n');
    writeFileSync(path, 'prot: 1\nport: many\n');
    await refusedBy(steward.reload());
    await refusedBy(steward.reload());
    expect(lines.filter(({ fields }) => fields?.path === 'prot')).toHaveLength(1);
  });

  test('does not repeat warnings that were said before', async () => {
    const { steward, lines } = start('prot: 1\n');
    writeFileSync(path, 'prot: 1\ndebgu: 1\n');
    await steward.reload();
    expect(lines.filter(({ event }) => event === 'config').map(({ fields }) => fields.path)).toEqual([
      'prot',
      'debgu',
    ]);
  });
});

test('close retires the runtime and refuses what comes after', async () => {
  const closed: string[] = [];
  const { steward } = start('places: [{name: a}]\n', { channels: [places(closed)] });
  await steward.close();
  expect(closed).toEqual(['a']);
  await expect(steward.apply('port: 2\n')).rejects.toThrow('The gateway is stopping');
});

describe('refresh', () => {
  test('builds the same config anew, tells whoever watches, and closes what it replaces', async () => {
    const closed: string[] = [];
    const environment: Record<string, string> = { PLACE: 'one' };
    const { steward, events } = start('', { environment, channels: [places(closed)] });
    const { etag } = steward.current;
    const swaps: string[] = [];
    steward.onSwap(({ connections }) => swaps.push(connections[0]!.provider));
    environment.PLACE = 'two';
    await steward.refresh();
    expect(providers(steward)).toEqual(['two']);
    expect(steward.current.etag).toBe(etag);
    expect([swaps, closed]).toEqual([['two'], ['one']]);
    expect(events()).not.toContain('config-applied');
  });
});
