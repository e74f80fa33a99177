import { afterEach, describe, expect, test } from 'bun:test';
import { createSignIns, parametersOf, type SignIns } from '../../../src/accounts/logins/sign-in.ts';
import type { Way } from '../../../src/accounts/steps.ts';
import { createNet } from '../../../src/accounts/logins/net.ts';
import { pageResponse } from '../../../src/accounts/logins/page.ts';
import { type Desk, type DeskOptions, noon, openDesk } from './desk.ts';

/** Signing in, against the OAuth simulator. */

let desk: Desk;
let signIns: SignIns;
/** Waits between two polls; resolved by hand. */
let sleeps: { ms: number; wake: () => void }[];

afterEach(async () => {
  await signIns.close();
  await desk.close();
});

function open(options: DeskOptions = {}) {
  desk = openDesk(options);
  sleeps = [];
  signIns = createSignIns({
    keep: (place, fields) => desk.keeper.save(place, fields),
    now: () => desk.now,
    net: (place, signal) => ({
      ...createNet({
        endpoints: place.steps.endpoints,
        client: { id: 'test-client' },
        proxy: 'direct',
        signal,
        now: () => desk.now,
        clock: () => desk.now,
      }),
      sleep(ms) {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        sleeps.push({ ms, wake: resolve });
        signal.addEventListener('abort', () => reject(signal.reason as Error));
        return promise;
      },
    }),
  });
  const place = desk.keeper.places[0]!;
  const way = (id: string): Way => place.steps.ways.find((each) => each.id === id)!;
  return { place, way, begin: (id: string, options = {}) => signIns.begin(place, way(id), options) };
}

describe('with a browser', () => {
  test('comes back to a listener on this machine, and the login is kept', async () => {
    const { begin } = open();
    const signIn = await begin('browser');
    expect(new URL(signIn.redirectUri!).hostname).toBe('127.0.0.1');
    const page = await fetch(await desk.provider.visit(signIn.url));
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('person@example.com is signed in');
    expect(await signIn.done).toMatchObject({ outcome: 'added', file: 'test-person@example.com.json' });
    expect(desk.keeper.logins).toHaveLength(1);
  });

  test('a state is good once', async () => {
    const { begin } = open();
    const signIn = await begin('browser', { listen: false, port: 9 });
    const back = parametersOf(await desk.provider.visit(signIn.url));
    expect(signIns.returned(back).kind).toBe('taken');
    expect(signIns.returned(back)).toEqual({ kind: 'refused', why: 'used' });
    await signIn.done;
    expect(signIns.returned(back)).toEqual({ kind: 'refused', why: 'used' });
    expect(desk.provider.counts.code).toBe(1);
  });

  test('a state is good for ten minutes', async () => {
    const { begin } = open();
    const signIn = await begin('browser', { listen: false, port: 9 });
    const back = parametersOf(await desk.provider.visit(signIn.url));
    desk.now += 600_001;
    expect(signIns.returned(back)).toEqual({ kind: 'refused', why: 'unknown' });
    await expect(signIn.done).rejects.toThrow(/time is over/);
  });

  test('a state belongs to its provider, and a stray one to nobody', async () => {
    const { begin } = open();
    const signIn = await begin('browser', { listen: false, port: 9 });
    const back = parametersOf(await desk.provider.visit(signIn.url));
    expect(signIns.returned(back, 'codex')).toEqual({ kind: 'refused', why: 'other-provider' });
    expect(signIns.returned({ ...back, state: `${back['state']}x` }).kind).toBe('refused');
    expect(signIns.returned({ code: 'x' })).toEqual({ kind: 'refused', why: 'no-state' });
    expect(signIns.returned({ state: signIn.state })).toEqual({ kind: 'refused', why: 'no-code' });
    expect(signIns.returned(back, 'test').kind).toBe('taken');
    await signIn.done;
  });

  test('a busy port is a remark: the address is pasted', async () => {
    const { begin } = open();
    const busy = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() });
    const signIn = await begin('browser', { port: busy.port });
    expect(signIn.deaf).toContain(String(busy.port));
    expect(signIns.returned(parametersOf(await desk.provider.visit(signIn.url))).kind).toBe('taken');
    await signIn.done;
    await busy.stop(true);
  });

  test('what the provider says is escaped on the page', async () => {
    const { begin } = open();
    const signIn = await begin('browser');
    const evil = '<script>alert(1)</script>';
    const query = new URLSearchParams({ state: signIn.state, error: 'x', error_description: evil });
    const page = await fetch(`${signIn.redirectUri}?${query}`);
    const html = await page.text();
    expect(html).not.toContain('<script>');
    expect(html).toContain('&lt;script&gt;');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await pageResponse({ title: '"', lines: ["'&"] }).text()).toContain('&#39;&amp;');
  });
});

describe('with a device', () => {
  test('waits as long as the provider says, slows down when told, and keeps what comes', async () => {
    const { begin } = open({ slowDowns: 1 });
    const signIn = await begin('device');
    expect(signIn).toMatchObject({
      userCode: 'ABCD-0001',
      url: expect.stringContaining('user_code=ABCD-0001'),
    });
    /** Ends the wait before the next poll. */
    const next = async (before = () => {}) => {
      while (sleeps.length === 0) await Bun.sleep(1);
      const { ms, wake } = sleeps.shift()!;
      before();
      wake();
      return ms;
    };
    expect(await next()).toBe(5000);
    expect(await next()).toBe(10_000);
    expect(await next(() => desk.provider.next.push({ status: 503 }))).toBe(10_000);
    expect(await next(() => desk.provider.approve('ABCD-0001', 'device@example.com'))).toBe(10_000);
    expect(await signIn.done).toMatchObject({ outcome: 'added' });
    expect(signIns.find(signIn.state)!.status.kind).toBe('done');
  });

  test.each([
    ['deny', /access_denied/],
    ['expire', /expired_token/],
  ] as const)('ends when the provider says %s', async (act, words) => {
    const { begin } = open();
    const signIn = await begin('device');
    desk.provider[act]('ABCD-0001');
    while (sleeps.length === 0) await Bun.sleep(1);
    sleeps.shift()!.wake();
    await expect(signIn.done).rejects.toThrow(words);
  });

  test('can be called off, and polls no more', async () => {
    const { begin } = open();
    const signIn = await begin('device');
    expect(signIns.cancel(signIn.state)).toBe(true);
    await expect(signIn.done).rejects.toThrow(/called off/);
    expect(signIns.find(signIn.state)).toBeUndefined();
    expect(desk.provider.counts.poll).toBe(0);
  });
});

describe('with something that is pasted', () => {
  test('is checked before it is used', async () => {
    const { begin } = open();
    await expect(begin('token', { answers: { token: 'wrong' } })).rejects.toThrow(/begins with at-/);
    await expect(begin('token')).rejects.toMatchObject({ fault: { field: 'token' } });
    const signIn = await begin('token', { answers: { token: 'at-1' } });
    expect(await signIn.done).toMatchObject({ label: 'pasted@example.com' });
  });
});

test('no more than 64 sign in at a time', async () => {
  const { begin } = open();
  for (let number = 0; number < 64; number++) await begin('browser', { listen: false, port: 9 });
  await expect(begin('browser', { listen: false, port: 9 })).rejects.toMatchObject({
    fault: { kind: 'rate-limited' },
  });
  desk.now = noon + 3_600_000;
  expect((await begin('browser', { listen: false, port: 9 })).status.kind).toBe('waiting');
});
