import { afterEach, describe, expect, test } from 'bun:test';
import claude from '../../src/channels/claude/index.ts';
import codex from '../../src/channels/codex/index.ts';
import type { Json } from '../../src/core/json.ts';
import { type Desk, openDesk } from '../accounts/logins/desk.ts';
import { clearDesks, desk, plainConfig } from './desk.ts';

/** Edits of single values of config.yaml over the management API. */

let logins: Desk | undefined;
afterEach(async () => {
  clearDesks();
  await logins?.close();
  logins = undefined;
});

const entries = `
# my keys
codex-api-key:
  - api-key: sk-first-0123456789 # the first one
    excluded-models: [gpt-4o]
  - api-key: sk-second-0123456789
oauth-excluded-models:
  # not for us
  codex: [gpt-5*]
oauth-model-alias:
`;

function open(config = plainConfig + entries) {
  logins = openDesk();
  const opened = desk({ config, channels: [codex, claude], keeper: logins.keeper });
  const send = async (method: string, path: string, body?: unknown) => {
    const response = await opened.ask(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Json & Record<string, any> };
  };
  return { ...opened, send };
}

describe('the tables of logins', () => {
  test('are told, replaced whole or by channel, and removed, in the file and in effect', async () => {
    const { send, steward, onDisk } = open();
    const key = 'oauth-excluded-models';
    expect((await send('GET', `/${key}`)).body).toEqual({ [key]: { codex: ['gpt-5*'] } });
    const patched = await send('PATCH', `/${key}`, { provider: 'Codex', models: ['gpt-4*', 'o1'] });
    expect(patched.body).toEqual({ status: 'ok', persisted: true });
    expect(steward.current.config[key]).toEqual({ codex: ['gpt-4*', 'o1'] });
    await send('PUT', `/${key}`, { items: { kiro: ['*-opus-*'] } });
    expect(steward.current.config[key]).toEqual({ kiro: ['*-opus-*'] });
    expect((await send('DELETE', `/${key}?provider=kiro`)).status).toBe(200);
    expect(steward.current.config[key]).toEqual({});
    expect(onDisk()).toContain('# the first one');
    expect(onDisk()).toStartWith('# kept comment');
    expect(onDisk()).not.toContain(key);
  });

  test('of aliases take the reference’s body, and a key that stands there empty', async () => {
    const { send, steward } = open();
    const aliases = [{ name: 'gpt-5.5', alias: 'best', fork: true, 'force-mapping': true }];
    // Nobody signs in to codex in this test, so only a channel that the table knows already is taken.
    expect((await send('PATCH', '/oauth-model-alias', { channel: 'codex', aliases })).status).toBe(400);
    expect((await send('PATCH', '/oauth-model-alias', { channel: 'test', aliases })).status).toBe(200);
    expect(steward.current.config['oauth-model-alias']).toEqual({
      test: [{ ...aliases[0]!, 'display-name': '' }],
    } as never);
    await send('PATCH', '/oauth-model-alias', { provider: 'test', aliases: [] });
    expect(steward.current.config['oauth-model-alias']).toEqual({});
  });

  test('refuse what is missing, unknown or would be a fault, and nothing changes', async () => {
    const { send, onDisk } = open();
    const before = onDisk();
    expect(await send('PATCH', '/oauth-excluded-models', { models: [] })).toMatchObject({ status: 400 });
    expect(await send('PATCH', '/oauth-excluded-models', { provider: 'codex' })).toMatchObject({
      status: 400,
    });
    expect(await send('DELETE', '/oauth-excluded-models')).toMatchObject({ status: 400 });
    expect(await send('DELETE', '/oauth-excluded-models?provider=nobody')).toMatchObject({ status: 404 });
    expect(await send('PUT', '/oauth-model-alias', { codex: [{ name: '', alias: 'a' }] })).toMatchObject({
      status: 422,
      body: { error: 'invalid_config' },
    });
    expect(onDisk()).toBe(before);
  });

  test('are live and say so where the file cannot be written', async () => {
    const { ask, steward } = desk({ writable: false, channels: [codex] });
    const body = JSON.stringify({ codex: ['o1'] });
    const response = await ask('/oauth-excluded-models', { method: 'PUT', body });
    expect(await response.json()).toMatchObject({ status: 'ok', persisted: false });
    expect(steward.current.config['oauth-excluded-models']).toEqual({ codex: ['o1'] });
  });
});

describe('a key of config.yaml', () => {
  const accounts = ({ steward }: ReturnType<typeof open>) =>
    steward.current.connections.flatMap((connection) => connection.accounts);
  const offers = ({ steward }: ReturnType<typeof open>, label: string) =>
    steward.current.registry
      .list()
      .some(({ id }) =>
        steward.current.registry.find(id).some((each) => each.accounts.some((one) => one.label === label)),
      );

  test('is taken out of use by excluding all of its models, and back without losing other patterns', async () => {
    const opened = open();
    const { send, onDisk } = opened;
    const { id, label } = accounts(opened)[0]!;
    const off = await send('PATCH', '/auth-files/status', { auth_index: id, disabled: true });
    expect(off).toMatchObject({
      status: 200,
      body: {
        status: 'ok',
        disabled: true,
        via: 'config:excluded-models',
        excluded_pattern: '*',
        credentials: [label],
      },
    });
    expect(onDisk()).toContain('gpt-4o');
    expect(offers(opened, label)).toBe(false);
    expect(offers(opened, accounts(opened)[1]!.label)).toBe(true);
    await send('PATCH', '/auth-files/status', { name: id, disabled: false });
    expect(offers(opened, label)).toBe(true);
    expect(onDisk()).toContain('gpt-4o');
    expect(onDisk()).not.toMatch(/"\*"/);
  });

  test('that had no patterns has none again, and one that nobody has is not found', async () => {
    const opened = open();
    const { send, onDisk } = opened;
    const [, second] = accounts(opened);
    for (const disabled of [true, true, false])
      await send('PATCH', '/auth-files/status', { auth_index: second!.id, disabled });
    expect(onDisk().match(/excluded-models/g)).toHaveLength(2);
    expect((await send('PATCH', '/auth-files/status', { auth_index: 'nobody', disabled: true })).status).toBe(
      404,
    );
  });
});

test('what is written once for several places, with an alias, is left to a person', async () => {
  const one = 'claude-api-key:\n  - &one\n    api-key: sk-first-0123456789\ncodex-api-key:\n  - *one\n';
  const { send, steward, onDisk } = open(plainConfig + one);
  const accounts = steward.current.connections.flatMap((connection) => connection.accounts);
  const codexKey = accounts.find(({ provider }) => provider === 'codex')!;
  const before = onDisk();
  expect(
    await send('PATCH', '/auth-files/status', { auth_index: codexKey.id, disabled: true }),
  ).toMatchObject({
    status: 422,
    body: { error: 'shared value', remedy: expect.stringContaining('config.yaml') },
  });
  expect(onDisk()).toBe(before);
});
