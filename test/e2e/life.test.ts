import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  cleanUp,
  clientKey,
  configOf,
  freePort,
  launch,
  shell,
  start,
  temporaryHome,
  until,
  type Program,
} from '../support/binary.ts';
import { anthropicUpstream, openaiUpstream, simulatorKey, type Simulator } from '../support/upstream.ts';
import { ask, directions, framesOf, providers } from './gateway.ts';

/** Start, first run, reload and end of the compiled binary. */

afterAll(cleanUp);

describe('first run', () => {
  test('writes a private config, prints where it is, the key once, and a curl line that works', async () => {
    const port = freePort();
    const env = { CLIPROXY_PORT: String(port) };
    const program = await start({ port, env });
    const output = await program.said(/curl [\s\S]*\n/);
    const [path] = output.match(/\/\S+config\.yaml/) ?? [];
    expect(path).toStartWith(program.home);
    expect(statSync(path!).mode & 0o777).toBe(0o600);
    const text = readFileSync(path!, 'utf8');
    const [, key] = /api-keys:\s*(?:#.*)?\n\s*- ["']?([\w-]{20,})/.exec(text) ?? [];
    expect(key).toBeString();
    expect(text).toContain('demo');
    const lines = output.split('\n');
    const from = lines.findIndex((line) => line.includes('curl '));
    const to = lines.findIndex((line, index) => index >= from && !line.trimEnd().endsWith('\\'));
    const { code, stdout, stderr } = await shell(
      lines
        .slice(from, to + 1)
        .join('\n')
        .replace(/^.*?curl /, 'curl '),
    );
    expect([code, stderr.replace(/^\s*%.*[\s\S]*$/, '')]).toEqual([0, '']);
    expect(stdout).toMatch(/"content"|"text"/);
    const printed = output.split(key!).length - 1;
    expect(printed).toBeGreaterThan(0);
    await program.stop();

    const again = await start({ port, env, home: program.home });
    expect(again.output()).not.toContain(key!);
    expect(readFileSync(path!, 'utf8')).toBe(text);
    expect(await again.stop()).toBe(0);
  });
});

describe('faults at the start', () => {
  test('a taken port is named with the process that holds it, and the exit code is 69', async () => {
    const holder = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
    const program = await launch({ config: '', port: holder.port });
    expect(await program.exited).toBe(69);
    expect(program.output()).toContain(String(holder.port));
    expect(program.output()).toMatch(new RegExp(`\\b${process.pid}\\b`));
    holder.stop(true);
  });

  test('a broken config is shown with line, column and a caret, and the exit code is 78', async () => {
    const syntax = await launch({ config: 'openai-compatibility:\n  - name: "unclosed\n' });
    expect(await syntax.exited).toBe(78);
    expect(syntax.output()).toMatch(/config\.yaml:\d+:\d+/);
    expect(syntax.output()).toMatch(/^\s*(\|\s*)?\^/m);
    const type = await launch({ config: 'request-retry: many\n' });
    expect(await type.exited).toBe(78);
    expect(type.output()).toMatch(/config\.yaml:5:\d+/);
    expect(type.output()).toContain('request-retry');
    expect(type.output()).toMatch(/^.*\^/m);
    const missing = await launch({ args: ['--config', '/nowhere/config.yaml'] });
    expect(await missing.exited).toBe(78);
    expect(missing.output()).toContain('/nowhere/config.yaml');
  });

  test('a sample key is refused with the way to make a real one', async () => {
    const home = temporaryHome();
    const config = join(home, 'sample.yaml');
    writeFileSync(config, `port: ${freePort()}\napi-keys:\n  - your-api-key-1\n`);
    const program = await launch({ home, args: ['--config', config] });
    expect(await program.exited).toBe(78);
    expect(program.output()).toContain('your-api-key-1');
  });

  test('an unknown key is a warning with the nearest known one', async () => {
    const program = await start({ config: 'request-retries: 3\n' });
    await program.said(/request-retries[\s\S]*request-retry/);
    expect(await program.stop()).toBe(0);
  });
});

describe('reload', () => {
  let openai: Simulator;
  let anthropic: Simulator;
  let program: Program;
  beforeAll(async () => {
    openai = openaiUpstream();
    anthropic = anthropicUpstream();
    program = await start({ config: providers(openai.url, anthropic.url, [simulatorKey]) });
  });
  afterAll(async () => {
    await program.stop();
    openai.stop();
    anthropic.stop();
  });

  const models = async (): Promise<readonly string[]> => {
    const response = await fetch(`${program.url}/v1/models`, { headers: { 'x-api-key': clientKey } });
    return ((await response.json()) as { data: { id: string }[] }).data.map((model) => model.id);
  };
  const withModel = (name: string) =>
    configOf(program.port, providers(openai.url, anthropic.url, [simulatorKey])).replace(
      '      - name: gpt-sim',
      `      - name: gpt-sim\n      - name: gpt-sim\n        alias: ${name}`,
    );

  test.each([
    ['an edit in place', (text: string) => writeFileSync(program.config, text)],
    [
      'a rename over it',
      (text: string) => {
        const beside = join(dirname(program.config), '.config.yaml.new');
        writeFileSync(beside, text);
        renameSync(beside, program.config);
      },
    ],
    [
      'a signal',
      (text: string) => {
        writeFileSync(program.config, text);
        program.signal('SIGHUP');
      },
    ],
  ])('takes %s while streams in flight go on to their end', async (how, write) => {
    const gate = Promise.withResolvers<void>();
    openai.always = anthropic.always = { kind: 'pause', after: 2, until: gate.promise };
    const arrived = [openai, anthropic].map((simulator) => simulator.arrival(simulator.received.length + 2));
    const streams = directions.map((direction) =>
      ask(program, direction, 'count to 9', { body: { stream: true } }).then((response) =>
        framesOf(response),
      ),
    );
    await Promise.all(arrived);
    const name = `after-${how.replaceAll(' ', '-')}`;
    write(withModel(name));
    await until(program, async () => (await models()).includes(name));
    gate.resolve();
    for (const sent of await Promise.all(streams))
      expect(sent.map((frame) => frame.data).join('')).toContain('9');
  });

  test('keeps the old config when the new one is broken, and says where it breaks', async () => {
    const before = await models();
    writeFileSync(program.config, 'host: 127.0.0.1\nport: [\n');
    await program.said(/config\.yaml:\d+:\d+/);
    expect(await models()).toEqual(before);
    writeFileSync(program.config, withModel('repaired'));
    await until(program, async () => (await models()).includes('repaired'));
  });
});

describe('the end', () => {
  test('SIGTERM lets a stream in flight finish, then exits with 0', async () => {
    const openai = openaiUpstream();
    const program = await start({ config: providers(openai.url, openai.url, [simulatorKey]) });
    const gate = Promise.withResolvers<void>();
    openai.always = { kind: 'pause', after: 2, until: gate.promise };
    const stream = ask(program, directions[0], 'count to 9', { body: { stream: true } }).then((response) =>
      framesOf(response),
    );
    await openai.arrival(1);
    program.signal('SIGTERM');
    await until(program, () =>
      fetch(`${program.url}/health`).then(
        (response) => response.status === 503,
        () => true,
      ),
    );
    gate.resolve();
    expect((await stream).at(-1)?.data).toBe('[DONE]');
    expect(await program.exited).toBe(0);
    openai.stop();
  });
});

/** Root writes through any mode bits, so the program runs as nobody where the tests run as root. */
const nobody = process.getuid?.() === 0 ? Bun.which('setpriv') : '';
const readOnly = nobody === null ? test.skip : test;

readOnly('a read-only config runs, warns, and management says that nothing was saved', async () => {
  const secret = 'management-secret-0123';
  const home = temporaryHome();
  const port = freePort();
  const folder = join(home, 'etc');
  const state = join(home, 'state');
  const text = configOf(port, `debug: false\nremote-management:\n  secret-key: ${secret}\n`);
  await shell(`mkdir -p ${folder} ${state} && chmod 755 ${home} && chmod 777 ${state}`);
  writeFileSync(join(folder, 'config.yaml'), text);
  await shell(`chmod 444 ${folder}/config.yaml && chmod 555 ${folder}`);
  const wrapper = nobody ? [nobody, '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
  const program = await start({
    port,
    home,
    wrapper,
    args: ['--config', join(folder, 'config.yaml')],
    env: { HOME: state, XDG_STATE_HOME: state },
  });
  await program.said(/read-only|not writable|cannot be written|cannot write/i);
  const response = await fetch(`${program.url}/v0/management/config.yaml`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/yaml' },
    body: text.replace('debug: false', 'debug: true'),
  });
  expect(await response.json()).toMatchObject({ persisted: false });
  expect(readFileSync(join(folder, 'config.yaml'), 'utf8')).toBe(text);
  await program.stop();
  await shell(`chmod 755 ${folder}`);
});
