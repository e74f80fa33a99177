import { afterEach, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createNet } from '../../src/accounts/logins/net.ts';
import { createSignIns } from '../../src/accounts/logins/sign-in.ts';
import { createTally } from '../../src/accounts/pool/tally.ts';
import { accountRoutes } from '../../src/admin/accounts.ts';
import type { AdminHall } from '../../src/admin/hall.ts';
import { oauthRoutes } from '../../src/admin/oauth.ts';
import type { Json } from '../../src/core/json.ts';
import { type Desk, noon, openDesk } from '../accounts/logins/desk.ts';
import { loginFields } from '../support/login-channel.ts';
import { clearDesks, desk as adminDesk } from './desk.ts';

/** The login files and signing in, over the management API. */

let logins: Desk;
afterEach(async () => {
  clearDesks();
  await logins.close();
});

function open() {
  logins = openDesk();
  const { keeper } = logins;
  const signIns = createSignIns({
    keep: (place, fields) => keeper.save(place, fields),
    net: (place, signal) =>
      createNet({
        endpoints: place.steps.endpoints,
        client: { id: 'test-client' },
        proxy: 'direct',
        signal,
        now: Date.now,
        clock: Date.now,
      }),
  });
  const admin = adminDesk({ keeper, signIns, tally: createTally(() => noon) });
  const json = async (path: string, init?: RequestInit) => {
    const response = await admin.ask(path, init);
    return { status: response.status, body: (await response.json()) as Json & Record<string, any> };
  };
  const send = (method: string, path: string, body: unknown) =>
    json(path, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  return { ...admin, json, send, signIns };
}

const fresh = (more: Json = {}) => loginFields(logins.provider, noon + 3_600_000, more);

describe('the files', () => {
  test('are listed by name with the fields of the reference, and without a secret', async () => {
    const { json } = open();
    logins.write('b.json', { ...fresh(), priority: 3, note: 'mine' });
    logins.write('claude.json', { type: 'claude', access_token: 'secret-of-claude' });
    await logins.keeper.load();
    const { body } = await json('/auth-files');
    expect(body['files']).toMatchObject([
      {
        name: 'b.json',
        type: 'test',
        label: 'person@example.com',
        status: 'active',
        state: 'ready',
        disabled: false,
        source: 'file',
        email: 'person@example.com',
        priority: 3,
        note: 'mine',
        success: 0,
        recent_requests: { length: 20 },
      },
      { name: 'claude.json', status: 'error', state: 'invalid', remedy: expect.stringContaining('API key') },
    ]);
    const text = JSON.stringify(body);
    for (const secret of [...Object.values(logins.read('b.json')), 'secret-of-claude'])
      if (/^(at-|rt-|secret)/.test(String(secret))) expect(text).not.toContain(String(secret));
  });

  test('an upload is taken once: the same account again updates its file, whatever the name', async () => {
    const { json, send } = open();
    const fields = fresh();
    expect((await send('POST', '/auth-files?name=one.json', fields)).body).toMatchObject({
      status: 'ok',
      files: [{ name: 'test-person@example.com.json', outcome: 'added' }],
    });
    expect((await send('POST', '/auth-files?name=two.json', { ...fields, note: 'x' })).body).toMatchObject({
      files: [{ name: 'test-person@example.com.json', outcome: 'updated' }],
    });
    expect((await json('/auth-files')).body['files']).toHaveLength(1);
  });

  test('a form may hold several; those that cannot be used are named', async () => {
    const { json } = open();
    const form = new FormData();
    form.set('a', new File([JSON.stringify(fresh())], 'good.json'));
    form.set('b', new File([JSON.stringify({ type: 'kimi' })], 'kimi.json'));
    const { status, body } = await json('/auth-files', { method: 'POST', body: form });
    expect(status).toBe(207);
    expect(body).toMatchObject({
      status: 'partial',
      uploaded: 1,
      failed: [{ name: 'kimi.json', error: expect.stringContaining('not part of this version') }],
    });
  });

  test.each(['../evil.json', '/etc/evil.json', 'a\\b.json', 'evil', 'evil.json\0.json'])(
    'no file is written outside the folder for the name %j',
    async (name) => {
      const { send } = open();
      const { status, body } = await send('POST', `/auth-files?name=${encodeURIComponent(name)}`, fresh());
      expect([status, body['error']]).toEqual([400, 'invalid name']);
      expect(existsSync(join(logins.folder, '..', 'evil.json'))).toBe(false);
    },
  );

  test.each(['../config.yaml', '..%2Fconfig.yaml', '/etc/passwd', 'nobody.json'])(
    'no file outside the list can be downloaded or removed: %s',
    async (name) => {
      const { json } = open();
      expect((await json(`/auth-files/download?name=${name}`)).status).toBe(404);
      expect((await json(`/auth-files?name=${name}`, { method: 'DELETE' })).status).toBe(404);
    },
  );

  test('a download is the file, and needs the management key', async () => {
    const { ask } = open();
    logins.write('a.json', fresh());
    await logins.keeper.load();
    const response = await ask('/auth-files/download?name=a.json');
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="a.json"');
    expect(await response.json()).toEqual(logins.read('a.json'));
    expect((await ask('/auth-files/download?name=a.json', {}, '')).status).toBe(401);
  });

  test('status and fields are changed one by one, and tokens are not for editing', async () => {
    const { send } = open();
    const fields = fresh({ headers: { 'x-a': '1', 'x-b': '2' } });
    logins.write('a.json', fields);
    await logins.keeper.load();
    expect((await send('PATCH', '/auth-files/status', { name: 'a.json', disabled: true })).status).toBe(200);
    expect(logins.keeper.logins).toEqual([]);
    await send('PATCH', '/auth-files/fields', {
      name: 'a.json',
      disabled: false,
      priority: 9,
      'deep.path': 'set',
      headers: { 'x-a': '', 'x-c': '3' },
    });
    expect(logins.read('a.json')).toEqual({
      ...fields,
      disabled: false,
      priority: 9,
      deep: { path: 'set' },
      headers: { 'x-b': '2', 'x-c': '3' },
    });
    expect((await send('PATCH', '/auth-files/fields', { name: 'a.json', refresh_token: 'x' })).status).toBe(
      400,
    );
    expect((await send('PATCH', '/auth-files/fields', { name: 'a.json', '__proto__.x': 1 })).status).toBe(
      400,
    );
    await send('PATCH', '/auth-files/fields', { name: 'a.json', priority: '' });
    expect(logins.read('a.json')).not.toHaveProperty('priority');
  });

  test('are found by auth_index, which switches them as well', async () => {
    const { json, send } = open();
    for (const name of ['a', 'b']) logins.write(`${name}.json`, fresh({ email: `${name}@example.com` }));
    await logins.keeper.load();
    const all = (await json('/auth-files')).body['files'];
    const index = String(all[1]['auth_index']);
    expect((await json(`/auth-files?auth_index=${index}`)).body['files']).toMatchObject([{ name: 'b.json' }]);
    expect((await json('/auth-files?auth_index=nobody')).body['files']).toEqual([]);
    await send('PATCH', '/auth-files/status', { auth_index: index, disabled: true });
    expect(logins.read('b.json')).toMatchObject({ disabled: true });
  });

  test('of Kiro tell their credits; there is a plain answer where there is none', async () => {
    const { json } = open();
    const none = await json('/kiro-quota');
    expect(none).toMatchObject({ status: 404, body: { remedy: expect.stringContaining('auth login kiro') } });
  });

  test('files are removed by name, by list, or all', async () => {
    const { json, send } = open();
    for (const name of ['a', 'b', 'c']) logins.write(`${name}.json`, fresh({ email: `${name}@example.com` }));
    await logins.keeper.load();
    expect((await send('DELETE', '/auth-files', { names: ['a.json', 'gone.json'] })).body).toMatchObject({
      status: 'partial',
      deleted: 1,
    });
    expect((await json('/auth-files?name=b.json', { method: 'DELETE' })).body).toMatchObject({ deleted: 1 });
    expect((await json('/auth-files?all=true', { method: 'DELETE' })).body).toEqual({
      status: 'ok',
      deleted: 1,
    });
    expect((await send('DELETE', '/auth-files', {})).status).toBe(400);
  });

  test('every login of a channel can be renewed at once', async () => {
    const { json } = open();
    logins.write('a.json', fresh());
    await logins.keeper.load();
    const { body } = await json('/auths/test/refresh', { method: 'POST' });
    expect(body).toEqual({ status: 'ok', results: [{ name: 'a.json', status: 'ok' }] });
    expect(logins.provider.counts.refresh).toBe(1);
    expect((await json('/auths/nobody/refresh', { method: 'POST' })).status).toBe(404);
  });

  test('the catalogue tells the models of a channel', async () => {
    const { json } = open();
    expect((await json('/model-definitions/codex')).body).toMatchObject({ channel: 'codex' });
    expect((await json('/model-definitions/nobody')).status).toBe(400);
  });
});

describe('signing in', () => {
  test('begins with an address, waits, and is over when the address came back', async () => {
    const { json, send } = open();
    const { body } = await json('/test-auth-url');
    const state = String(body['state']);
    expect(state).toMatch(/^[\w-]{43}$/);
    expect((await json(`/get-auth-status?state=${state}`)).body).toEqual({ status: 'wait' });
    const back = await logins.provider.visit(String(body['url']));
    const sent = { provider: 'test', redirect_url: back };
    expect((await send('POST', '/oauth-callback', sent)).body).toEqual({ status: 'ok' });
    expect((await send('POST', '/oauth-callback', sent)).status).toBe(409);
    while ((await json(`/get-auth-status?state=${state}`)).body['status'] === 'wait') await Bun.sleep(1);
    expect((await json(`/get-auth-status?state=${state}`)).body).toMatchObject({
      status: 'ok',
      outcome: 'added',
    });
    expect(logins.keeper.logins).toHaveLength(1);
  });

  test('shows the code of a device, and can be called off', async () => {
    const { json } = open();
    const { body } = await json('/test-auth-url?way=device');
    expect(body).toMatchObject({ user_code: 'ABCD-0001', expires_in: expect.any(Number) });
    const path = `/oauth-session?state=${body['state']}`;
    expect((await json(path, { method: 'DELETE' })).body).toEqual({ status: 'ok' });
    expect((await json(path, { method: 'DELETE' })).status).toBe(404);
    expect((await json(`/get-auth-status?state=${body['state']}`)).body['status']).toBe('error');
  });

  test.each([
    [{}, 400, 'state is required'],
    [{ state: 'x'.repeat(43), code: 'c' }, 404, 'unknown or expired state'],
    [{ provider: 'nobody', state: 'x', code: 'c' }, 400, 'unsupported provider'],
  ])('refuses %j', async (sent, status, error) => {
    const { send } = open();
    const answer = await send('POST', '/oauth-callback', sent);
    expect([answer.status, answer.body['error']]).toEqual([status, error]);
  });

  test('channels that are left out say why, and that keys are the way', async () => {
    const { json } = open();
    const { status, body } = await json('/anthropic-auth-url');
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: 'unsupported provider', remedy: expect.stringContaining('API key') });
  });
});

test('every answer of these routes is described', () => {
  open();
  const hall = { keeper: logins.keeper, signIns: {} } as unknown as AdminHall;
  for (const { path, detail } of [...accountRoutes(hall), ...oauthRoutes(hall)])
    for (const [status, answer] of Object.entries(
      detail['responses'] as Record<string, { description?: string }>,
    ))
      expect([path, status, answer.description]).toEqual([path, status, expect.any(String)]);
});
