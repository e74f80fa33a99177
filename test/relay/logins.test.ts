import { afterEach, describe, expect, test } from 'bun:test';
import type { Json } from '../../src/core/json.ts';
import { type Desk, minutes, noon, openDesk } from '../accounts/logins/desk.ts';
import { hearAsked } from '../../src/relay/routing/quota.ts';
import { post, standing, type Standing, type Upstream, upstream } from './support.ts';

/** Requests that are paid for by a login, from the client to an upstream that knows which tokens live. */

let desk: Desk;
let api: Upstream;
let gateway: Standing;
afterEach(async () => {
  await gateway.stop();
  await api.stop();
  await desk.close();
});

const completion = {
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'test-model',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
};

/** @param files logins of the folder: their names and when their tokens end. */
async function open(files: Readonly<Record<string, number>>, at = openDesk()) {
  api = upstream((request) => {
    const token = request.headers.get('authorization')?.replace('Bearer ', '') ?? '';
    if (desk.provider.check(token) === 'live') return Response.json(completion);
    return Response.json({ error: { message: 'The token has expired.', type: 'auth' } }, { status: 401 });
  });
  desk = at;
  const endpoints = { ...desk.channel.logins!.endpoints, api: api.url };
  (desk.channel.logins as { endpoints: Readonly<Record<string, string>> }).endpoints = endpoints;
  for (const [name, endsAt] of Object.entries(files))
    await desk.login(endsAt, { email: `${name}@example.com` }, `${name}.json`);
  gateway = standing('', [desk.channel], () => desk.keeper.logins);
  const ask = () =>
    post(gateway, '/v1/chat/completions', {
      model: 'test-model',
      messages: [{ role: 'user', content: 'hi' }],
    });
  return { ask };
}

describe('a login', () => {
  test('whose provider says that little is left is used after one with more, and told of by its project', async () => {
    const left: Record<string, number> = { a: 0.01, b: 0.9 };
    desk = openDesk({
      logins: {
        quota: ({ identity }) =>
          Promise.resolve([
            {
              name: 'weekly',
              remainingShare: left[identity.account[0]!]!,
              resetsAt: Date.now() + 3_600_000,
              source: 'test',
              seenAt: noon,
            },
            { name: 'other', workspace: 'elsewhere', remainingShare: 0, source: 'test', seenAt: noon },
          ]),
      },
      keeper: { counted: (login) => hearAsked(login, gateway.runtime, gateway.pool) },
    });
    const { ask } = await open({ a: noon + 60 * minutes, b: noon + 60 * minutes }, desk);
    for (const { login } of desk.keeper.files) await desk.keeper.ask(login!);
    for (let count = 0; count < 4; count++) await ask();
    const token = desk.keeper.find('b.json')!.login!.fields['access_token'];
    expect(new Set(api.requests.map(({ headers }) => headers.get('authorization')))).toEqual(
      new Set([`Bearer ${String(token)}`]),
    );
  });

  test('serves, with its token as it is at that moment', async () => {
    const { ask } = await open({ a: noon + 60 * minutes });
    expect((await (await ask()).json()) as Json).toMatchObject({
      choices: [{ message: { content: 'hello' } }],
    });
    const login = desk.keeper.find('a.json')!.login!;
    const before = login.fields['access_token'];
    await desk.keeper.renew(login);
    expect((await ask()).status).toBe(200);
    expect(api.requests.map(({ headers }) => headers.get('authorization'))).toEqual([
      `Bearer ${String(before)}`,
      `Bearer ${String(login.fields['access_token'])}`,
    ]);
  });

  test('50 concurrent requests over an expired token: one renewal, and every client is answered', async () => {
    const { ask } = await open({ a: noon - 1000 });
    const answers = await Promise.all(Array.from({ length: 50 }, ask));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(desk.provider.counts).toMatchObject({ refresh: 1, reused: 0 });
    expect(api.requests).toHaveLength(50);
  });

  test('a token that ends during a request is renewed and the request sent again, without the client noticing', async () => {
    const { ask } = await open({ a: noon + 60 * minutes });
    // The provider ends the token before its time: only its 401 tells.
    const login = desk.keeper.find('a.json')!.login!;
    desk.write('a.json', { ...login.fields, access_token: 'at-ended-early' });
    await desk.keeper.load();
    const answers = await Promise.all(Array.from({ length: 50 }, ask));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(desk.provider.counts).toMatchObject({ refresh: 1, reused: 0 });
  });

  test('that needs a person lets the next one serve', async () => {
    const { ask } = await open({ a: noon - 1000, b: noon + 60 * minutes });
    desk.provider.revoke(String(desk.keeper.find('a.json')!.login!.fields['refresh_token']));
    for (let round = 0; round < 3; round++) expect((await ask()).status).toBe(200);
    expect(desk.keeper.find('a.json')!.login!.state.kind).toBe('needs-login');
    expect(desk.provider.counts.refresh).toBe(1);
  });

  test('that is the only one and needs a person: the client learns which command to run', async () => {
    const { ask } = await open({ a: noon - 1000 });
    desk.provider.revoke(String(desk.keeper.find('a.json')!.login!.fields['refresh_token']));
    const answer = await ask();
    expect(answer.status).toBe(502);
    const text = await answer.text();
    expect(text).toContain('cliproxyapi++ auth login test');
    expect(text).not.toMatch(/rt-|at-/);
  });

  test('whose provider cannot be reached for a renewal is tried again later, and says when', async () => {
    const { ask } = await open({ a: noon - 1000 });
    desk.provider.next.push({ status: 503 });
    const answer = await ask();
    expect([answer.status, answer.headers.has('retry-after')]).toEqual([503, true]);
    desk.now += 3000;
    expect(desk.provider.counts.refresh).toBe(0);
    await desk.keeper.renewDue();
    expect(desk.keeper.find('a.json')!.login!.state.kind).toBe('ready');
  });

  test('that is in no runtime any more serves the requests that began with it, and no others', async () => {
    const { ask } = await open({ a: noon + 60 * minutes });
    expect((await ask()).status).toBe(200);
    await desk.keeper.remove('a.json');
    const answer = await ask();
    expect(answer.status).toBe(502);
    expect(await answer.text()).toContain('its file was removed');
  });
});
