import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Keeper } from '../../src/accounts/logins/keeper.ts';
import type { LiveLogin } from '../../src/accounts/logins/live-login.ts';
import type { SignIns } from '../../src/accounts/logins/sign-in.ts';
import { openKeeper, openSignIns } from '../../src/cli/keeping.ts';
import { buildRuntime } from '../../src/config/build.ts';
import type { Json } from '../../src/core/json.ts';
import { temporaryFolder } from '../config/support.ts';
import { standing } from '../relay/support.ts';
import { chatgpt, codexClient } from '../support/chatgpt.ts';
import { copilotUpstream } from '../support/copilot-upstream.ts';
import { serviceAccount, vertexUpstream } from '../support/vertex-upstream.ts';
import { brokenKinds, type Doors, openDoors } from './doors.ts';

/** Whatever a login does, from signing in to asking what is left, it leaves by its proxy or not at all. */

const openai = chatgpt();
const copilot = copilotUpstream();
const copilotApi = copilot.endpoints.github.replace(/\/github$/, '/api');
const account = serviceAccount();
const vertex = vertexUpstream(account);
let doors: Doors;
/** The config but for its proxy. */
let rest: string;
const noProxy = process.env.NO_PROXY;
const folders: ReturnType<typeof temporaryFolder>[] = [];

beforeAll(async () => {
  doors = await openDoors();
  // A person's browser goes where it likes.
  const { authorize, verify, ...codex } = openai.endpoints;
  const endpoints = {
    codex: { ...(await doors.all(codex)), authorize: authorize!, verify: verify! },
    // GitHub itself would name an address without a door.
    'github-copilot': await doors.all({ ...copilot.endpoints, api: copilotApi }),
    vertex: await doors.all({ api: vertex.api.url, token: vertex.token }),
  };
  const rows = Object.entries(endpoints).flatMap(([channel, names]) => [
    `  ${channel}:`,
    ...Object.entries(names).map(([name, url]) => `    ${name}: ${url}`),
  ]);
  rest = [
    'oauth-clients:',
    '  codex:',
    `    client-id: ${codexClient}`,
    'oauth-endpoints:',
    ...rows,
    '',
  ].join('\n');
});
afterAll(async () => {
  if (noProxy === undefined) delete process.env.NO_PROXY;
  else process.env.NO_PROXY = noProxy;
  for (const folder of folders) folder.remove();
  await doors.close();
  await openai.stop();
  await copilot.stop();
  vertex.stop();
});
beforeEach(() => {
  process.env.NO_PROXY = '*';
  doors.look();
});

const files = (): Readonly<Record<string, Json>> => ({
  codex: openai.file(),
  'github-copilot': {
    type: 'github-copilot',
    access_token: copilot.provider.issue().accessToken,
    username: 'Octo-Person',
  },
  vertex: {
    type: 'vertex',
    service_account: account.key,
    project_id: account.key.project_id,
    location: 'us-central1',
  },
});

interface World {
  readonly keeper: Keeper;
  readonly signIns: SignIns;
  readonly config: string;
  login(channel: string): LiveLogin;
}

/** A folder with one login of each channel. @param own the proxy in each file. */
async function world(whole: string, own?: unknown): Promise<World> {
  const folder = temporaryFolder();
  folders.push(folder);
  const path = join(folder.path, 'auth');
  mkdirSync(path, { mode: 0o700 });
  for (const [name, fields] of Object.entries(files())) {
    const whole = own === undefined ? fields : { ...fields, proxy_url: own, disable_cooling: true };
    writeFileSync(join(path, `${name}.json`), JSON.stringify(whole), { mode: 0o600 });
  }
  const config = `proxy-url: "${whole}"\nrequest-retry: 0\n${rest}`;
  const { runtime } = buildRuntime(config, { file: 'config.yaml', environment: {} });
  const keeper = openKeeper({ folder: path, config: () => runtime.config, environment: {}, log: () => {} });
  await keeper.load();
  return {
    keeper,
    signIns: openSignIns(keeper, () => runtime.config, {}),
    config,
    login: (channel) => keeper.logins.find((login) => login.channel === channel) as LiveLogin,
  };
}

const never = new AbortController().signal;
const settled = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (thrown: unknown) => String(thrown),
  );

/** What each login does by itself, by name. */
const deeds: Readonly<Record<string, (it: World) => Promise<string>>> = {
  'renews itself': ({ keeper, login }) => settled(keeper.renew(login('codex'))),
  'asks what is left of its plan': async ({ keeper, login }) => {
    await keeper.ask(login('codex'));
    return login('codex').quota.length > 0 ? 'done' : 'nothing told';
  },
  'opens a session of Copilot': ({ login }) => settled(Promise.resolve(login('github-copilot').ready(never))),
  'asks for the models of Copilot': async ({ keeper, login }) => {
    const one = login('github-copilot');
    // As if it had opened one before.
    if (one.session === undefined)
      one.openedSession({
        values: { token: 't', base: await doors.at(copilotApi) },
        expiresAt: Infinity,
      });
    await keeper.ask(one);
    return one.models === undefined ? 'nothing told' : 'done';
  },
  'gets a token for a service account': async ({ login }) => {
    const said = await settled(Promise.resolve(login('vertex').ready(never)));
    // It was reached, and knows itself by an address without a door.
    return said.includes('unexpected "aud"') ? 'done' : said;
  },
  'measures a clock': async ({ keeper, login }) =>
    (await keeper.measureSkew([login('codex')])).size === 1 ? 'done' : 'nothing told',
};

/** Chats by each login. */
async function chats({ config, keeper }: World): Promise<readonly string[]> {
  const it = standing(config, [], () => keeper.logins);
  const said: string[] = [];
  for (const model of ['gpt-5.5', 'gpt-4.1', 'gemini-2.5-pro'])
    for (const stream of [false, true]) {
      const body = { model, stream, messages: [{ role: 'user', content: 'say hello' }] };
      const answer = await it.post('/v1/chat/completions', JSON.stringify(body));
      const text = await answer.text();
      said.push(answer.ok ? 'done' : text);
    }
  await it.stop();
  return said;
}

describe.each(['http', 'socks5'] as const)('a login with a proxy by %s', (kind) => {
  test('does everything through it alone, whatever the whole config says', async () => {
    const it = await world(doors.broken['an HTTP proxy that is gone'], doors.working[kind]);
    for (const [name, deed] of Object.entries(deeds)) {
      if (name === 'asks for the models of Copilot') await deeds['opens a session of Copilot']!(it);
      expect([name, await deed(it)]).toEqual([name, 'done']);
      expect([name, doors.look()]).toEqual([name, { direct: 0, proxied: expect.any(Number) }]);
    }
    expect(await chats(it)).toContain('done');
    const { direct, proxied } = doors.look();
    expect([direct, proxied > 0]).toEqual([0, true]);
    await it.keeper.close();
  });
});

describe.each(brokenKinds)('a login with %s', (kind) => {
  test('does nothing anywhere', async () => {
    const it = await world('direct', doors.broken[kind]);
    for (const [name, deed] of Object.entries(deeds)) {
      const before = doors.asked();
      expect([name, await deed(it)]).not.toEqual([name, 'done']);
      if (!kind.includes('gone')) expect([name, doors.asked() > before]).toEqual([name, true]);
    }
    for (const said of await chats(it)) {
      expect(said).not.toBe('done');
      expect(said).not.toContain('wrong');
    }
    expect(doors.look()).toEqual({ direct: 0, proxied: 0 });
    await it.keeper.close();
  });
});

describe('the proxy of the whole config', () => {
  test('carries the logins that name none', async () => {
    const it = await world(doors.working.http);
    for (const deed of Object.values(deeds)) await deed(it);
    await chats(it);
    const { direct, proxied } = doors.look();
    expect([direct, proxied > 0]).toEqual([0, true]);
    await it.keeper.close();
  });
});

describe('a proxy in a login file that cannot be used', () => {
  test.each([
    'ftp://127.0.0.1:1',
    '127.0.0.1:3128',
    'http://',
    'socks4://127.0.0.1:1',
    3128,
    { url: 'x' },
    true,
  ])('%j makes the login invalid, says what to write, and nothing leaves', async (own) => {
    const it = await world('direct', own);
    expect(it.keeper.logins).toEqual([]);
    for (const { entry } of it.keeper.files) {
      expect(entry).toMatchObject({ kind: 'invalid', remedy: expect.stringContaining('socks5://host:port') });
    }
    await chats(it);
    expect(doors.look()).toEqual({ direct: 0, proxied: 0 });
    await it.keeper.close();
  });

  test('in the other spelling counts as well, also beside an empty one', async () => {
    const it = await world('direct', '');
    await it.keeper.patch('codex.json', (fields) => ({ ...fields, 'proxy-url': 'ftp://nowhere' }));
    expect(it.keeper.find('codex.json')!.entry.kind).toBe('invalid');
    await it.keeper.close();
  });

  test('that is written while the program runs takes the login out before anything else leaves', async () => {
    const it = await world('direct');
    const login = it.login('codex');
    await it.keeper.patch('codex.json', (fields) => ({ ...fields, proxy_url: 'ftp://nowhere' }));
    expect(await settled(Promise.resolve(login.ready(never)))).toContain('cannot be used');
    expect(doors.look()).toEqual({ direct: 0, proxied: 0 });
    await it.keeper.close();
  });
});

describe('signing in', () => {
  /** Signs in to ChatGPT with a browser, and to GitHub with a code. @returns what became of both. */
  async function both(it: World, proxyUrl?: string): Promise<readonly string[]> {
    const place = (id: string) => it.keeper.places.find((one) => one.id === id)!;
    const wanted = proxyUrl === undefined ? {} : { proxyUrl };
    const [codex, github] = [place('codex'), place('github-copilot')];
    const browser = await it.signIns.begin(codex, codex.steps.ways[0]!, {
      ...wanted,
      listen: false,
      port: 9,
    });
    it.signIns.returned(Object.fromEntries(new URL(await openai.provider.visit(browser.url)).searchParams));
    const said = [await settled(browser.done)];
    const device = await it.signIns.begin(github, github.steps.ways[0]!, wanted).catch(String);
    if (typeof device === 'string') return [...said, device];
    copilot.provider.approve(device.userCode!, 'octo');
    return [...said, await settled(device.done)];
  }

  test.each(['http', 'socks5'] as const)('goes through the proxy of the whole config by %s', async (kind) => {
    const it = await world(doors.working[kind]);
    expect(await both(it)).toEqual(['done', 'done']);
    expect(doors.look()).toMatchObject({ direct: 0 });
    await it.keeper.close();
  });

  test('goes through a proxy of its own, which its file keeps', async () => {
    const it = await world('direct');
    expect(await both(it, doors.working.socks5)).toEqual(['done', 'done']);
    expect(doors.look()).toMatchObject({ direct: 0 });
    for (const channel of ['codex', 'github-copilot'])
      expect(it.login(channel).fields.proxy_url).toBe(doors.working.socks5);
    await it.keeper.close();
  });

  test.each(brokenKinds)('reaches nobody by %s, the config’s or its own', async (kind) => {
    for (const [whole, own] of [
      [doors.broken[kind], undefined],
      ['direct', doors.broken[kind]],
    ] as const) {
      const it = await world(whole);
      for (const said of await both(it, own)) {
        expect(said).not.toBe('done');
        expect(said).not.toContain('wrong');
      }
      expect(doors.look()).toEqual({ direct: 0, proxied: 0 });
      await it.keeper.close();
    }
  });

  test('with a proxy that cannot be used does not begin', async () => {
    const it = await world('direct');
    expect(await both(it, 'ftp://nowhere').catch(String)).toContain('its scheme is "ftp"');
    expect(doors.look()).toEqual({ direct: 0, proxied: 0 });
    await it.keeper.close();
  });
});
