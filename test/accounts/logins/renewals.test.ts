import { afterEach, describe, expect, test } from 'bun:test';
import { GatewayError } from '../../../src/core/error.ts';
import { type Desk, type DeskOptions, forever, minutes, noon, openDesk } from './desk.ts';

/** Renewal, by a keeper with a clock of its own against the OAuth simulator. */

let desk: Desk;
afterEach(() => desk.close());
const open = (options?: DeskOptions) => (desk = openDesk(options));

describe('one renewal at a time', () => {
  test('50 concurrent requests that find an expired token cause exactly one renewal', async () => {
    open();
    const login = await desk.login(noon - 1000);
    const before = login.fields['access_token'];
    await Promise.all(Array.from({ length: 50 }, () => login.ready(forever)));
    expect(desk.provider.counts).toMatchObject({ refresh: 1, reused: 0 });
    expect(login.fields['access_token']).not.toBe(before);
    expect(desk.read('test-person.json')).toEqual(login.fields);
    expect(login.ready(forever)).toBeUndefined();
  });

  test('50 concurrent requests that are refused cause exactly one renewal, and all may send again', async () => {
    open();
    const login = await desk.login(noon + 60 * minutes);
    const { fields, session } = login;
    const said = await Promise.all(Array.from({ length: 50 }, () => login.refused(fields, session)));
    expect(new Set(said)).toEqual(new Set([true]));
    expect(desk.provider.counts.refresh).toBe(1);
    expect(await login.refused(fields, session)).toBe(true);
    expect(desk.provider.counts.refresh).toBe(1);
  });

  test('whoever is refused at any moment of a renewal, also while it is written, may send again', async () => {
    open();
    const login = await desk.login(noon + 60 * minutes);
    const { fields, session } = login;
    const said = [login.refused(fields, session)];
    while (login.fields === fields) {
      await new Promise((resolve) => setImmediate(resolve));
      said.push(login.refused(fields, session));
    }
    expect(new Set(await Promise.all(said))).toEqual(new Set([true]));
    expect(desk.provider.counts.refresh).toBe(1);
  });

  test('what was renewed just now and is refused again is not renewed again', async () => {
    open();
    const login = await desk.login(noon + 60 * minutes);
    await login.refused(login.fields, undefined);
    expect(await login.refused(login.fields, undefined)).toBe(false);
    expect(desk.provider.counts.refresh).toBe(1);
  });

  test('two processes on one folder send a refresh token once', async () => {
    open();
    const first = await desk.login(noon - 1000);
    const other = await desk.restart();
    const second = other.find('test-person.json')!.login!;
    await Promise.all([first.ready(forever), second.ready(forever)]);
    expect(desk.provider.counts).toMatchObject({ refresh: 1, reused: 0 });
    expect(second.fields['access_token']).toBe(first.fields['access_token']);
  });

  test('no more than the configured number run in parallel', async () => {
    open();
    const gate = Promise.withResolvers<void>();
    for (let number = 0; number < 10; number++) {
      desk.provider.next.push({ until: gate.promise });
      await desk.login(noon - 1000, { email: `p${number}@example.com` }, `test-${number}.json`);
    }
    const done = desk.keeper.renewDue();
    while (desk.provider.received.length < 4) await Bun.sleep(1);
    await Bun.sleep(5);
    expect(desk.provider.received.length).toBe(4);
    gate.resolve();
    await done;
    expect(desk.provider.counts.refresh).toBe(10);
  });
});

describe('when it renews', () => {
  test('ahead of the expiry by the lead of the channel, and not before', async () => {
    open();
    await desk.login(noon + 60 * minutes);
    desk.now = noon + 54 * minutes;
    await desk.keeper.renewDue();
    expect(desk.provider.counts.refresh).toBe(0);
    desk.now = noon + 55 * minutes;
    await desk.keeper.renewDue();
    expect(desk.provider.counts.refresh).toBe(1);
  });

  test('a token that lives shorter than the lead is not renewed in a loop', async () => {
    open({ lifetime: 120 });
    const login = await desk.login(noon + 1000);
    await desk.keeper.renewDue();
    await desk.keeper.renewDue();
    expect(desk.provider.counts.refresh).toBe(1);
    expect(login.dueAt).toBe(noon + 60_000);
  });

  test('a file may ask for renewal at an interval', async () => {
    open();
    const login = await desk.login(noon + 60 * minutes, { refresh_interval_seconds: 600 });
    expect(login.dueAt).toBe(noon + 10 * minutes);
  });

  test('a request that leaves does not end the renewal it waited for', async () => {
    open();
    const gate = Promise.withResolvers<void>();
    desk.provider.next.push({ until: gate.promise });
    const login = await desk.login(noon - 1000);
    const client = new AbortController();
    const waiting = login.ready(client.signal)!;
    client.abort();
    await expect(waiting).rejects.toMatchObject({ fault: { kind: 'cancelled' } });
    expect(login.state).toEqual({ kind: 'renewing' });
    gate.resolve();
    await login.ready(forever);
    expect(desk.provider.counts.refresh).toBe(1);
  });
});

describe('a final refusal', () => {
  test('says at once which command to run, and is not tried again', async () => {
    open();
    const login = await desk.login(noon - 1000);
    desk.provider.revoke(String(login.fields['refresh_token']));
    await expect(login.ready(forever)!).rejects.toMatchObject({
      fault: { kind: 'upstream-unauthorized' },
      remedy: 'Run `cliproxyapi++ auth login test`.',
    });
    expect(login.state).toMatchObject({ kind: 'needs-login', command: 'cliproxyapi++ auth login test' });
    await expect(login.ready(forever)!).rejects.toBeInstanceOf(GatewayError);
    desk.now += 60 * minutes;
    await desk.keeper.renewDue();
    expect(desk.provider.counts.refresh).toBe(1);
    expect(desk.lines.filter(({ event }) => event === 'login-needs-person')).toHaveLength(1);
  });

  test('is remembered over a restart, until the file changes', async () => {
    open();
    const login = await desk.login(noon - 1000);
    desk.provider.revoke(String(login.fields['refresh_token']));
    await login.ready(forever)!.catch(() => {});
    const keeper = await desk.restart();
    const again = keeper.find('test-person.json')!.login!;
    expect(again.state.kind).toBe('needs-login');
    await keeper.renewDue();
    expect(desk.provider.counts.refresh).toBe(1);
    await desk.login(noon + 60 * minutes);
    await keeper.load();
    expect(again.state.kind).toBe('ready');
  });

  test('a refresh token that is used a second time ends the login, and is never sent a third time', async () => {
    open();
    const { accessToken, refreshToken } = desk.provider.issue();
    const tokens = { access_token: accessToken, refresh_token: refreshToken };
    const login = await desk.login(noon - 1000, tokens);
    await login.ready(forever);
    // A backup of the file comes back with the token that was used up.
    await desk.login(noon - 1000, tokens);
    await expect(login.ready(forever)!).rejects.toThrow(/used before/);
    await login.ready(forever)!.catch(() => {});
    expect(desk.provider.counts).toMatchObject({ refresh: 2, reused: 1 });
  });
});

describe('a failure that may pass', () => {
  test('backs off, tells when the next try is, and succeeds later', async () => {
    const mended: string[] = [];
    open({ keeper: { mended: ({ id }) => void mended.push(id) } });
    desk.provider.next.push({ status: 503 }, { status: 503 });
    const login = await desk.login(noon - 1000);
    await expect(login.ready(forever)!).rejects.toMatchObject({
      fault: { kind: 'unavailable' },
      retryAfterMs: 2000,
    });
    await login.ready(forever)!.catch(() => {});
    expect(desk.provider.received).toHaveLength(1);
    desk.now += 2000;
    await desk.keeper.renewDue();
    expect(login.notBefore - desk.now).toBe(4000);
    desk.now += 4000;
    await desk.keeper.renewDue();
    expect(login.state.kind).toBe('ready');
    expect([login.failures, mended]).toEqual([0, [login.id]]);
  });

  test('a renewal ahead of time that fails leaves the living token in use', async () => {
    open();
    desk.provider.next.push({ status: 500 });
    const login = await desk.login(noon + 4 * minutes);
    await desk.keeper.renewDue();
    expect(login.failures).toBe(1);
    expect(login.ready(forever)).toBeUndefined();
  });

  test('renewals that do not move the expiry end with a person, not with a loop', async () => {
    open({ lifetime: 0 });
    const login = await desk.login(noon - 1000);
    for (let round = 0; round < 6; round++) {
      await desk.keeper.renewDue();
      desk.now += 60 * minutes;
    }
    expect(desk.provider.counts.refresh).toBe(3);
    expect(login.state).toMatchObject({
      kind: 'needs-login',
      reason: expect.stringContaining('does not move the expiry'),
    });
  });
});

describe('the clock', () => {
  test('a machine whose clock is behind learns it from the provider and renews in time', async () => {
    const behind = 120 * minutes;
    open({ now: () => desk.now + behind, date: () => desk.now + behind });
    const login = await desk.login(noon - 1000);
    await login.ready(forever);
    expect(desk.keeper.skewOf('test')).toBe(behind + 500);
    // The token ends at the provider's time, and is taken for living until then only.
    expect(login.expiresAt).toBe(noon + behind + 60 * minutes);
    desk.now = noon + 61 * minutes;
    await login.ready(forever);
    expect(desk.provider.counts.refresh).toBe(2);
  });

  test('a difference of a second or two is no skew', async () => {
    open({ date: () => desk.now - 2000 });
    const login = await desk.login(noon - 1000);
    await login.ready(forever);
    expect(desk.keeper.skewOf('test')).toBe(0);
  });
});

describe('what is on disk', () => {
  /** A renewal that has reached the provider and waits there for the gate. */
  async function held() {
    open();
    const gate = Promise.withResolvers<void>();
    desk.provider.next.push({ until: gate.promise });
    const login = await desk.login(noon - 1000);
    const renewal = login.ready(forever)!;
    renewal.catch(() => {});
    while (desk.provider.received.length === 0) await Bun.sleep(1);
    return { login, renewal, gate };
  }

  test('an edit of the operator during a renewal stays', async () => {
    const { renewal, gate } = await held();
    const file = desk.read('test-person.json');
    desk.write('test-person.json', { ...file, priority: 7, proxy_url: 'direct' });
    gate.resolve();
    await renewal;
    expect(desk.read('test-person.json')).toMatchObject({ priority: 7, proxy_url: 'direct' });
    expect(desk.read('test-person.json')['refresh_token']).not.toBe(file['refresh_token']);
  });

  test('a login that replaces the file during a renewal wins over it', async () => {
    const { login, renewal, gate } = await held();
    const fresh = { ...desk.read('test-person.json'), refresh_token: 'rt-of-a-new-login' };
    desk.write('test-person.json', { ...fresh, expired: new Date(noon + 90 * minutes).toISOString() });
    gate.resolve();
    await renewal;
    expect(desk.read('test-person.json')['refresh_token']).toBe('rt-of-a-new-login');
    expect(login.fields['refresh_token']).toBe('rt-of-a-new-login');
  });

  test('a file that is removed during a renewal stays removed', async () => {
    const { renewal, gate } = await held();
    await desk.keeper.remove('test-person.json');
    gate.resolve();
    await expect(renewal).rejects.toMatchObject({ fault: { kind: 'upstream-unauthorized' } });
    expect(await Bun.file(`${desk.folder}/test-person.json`).exists()).toBe(false);
  });

  test('a renewal is in effect even where the disk refuses, and is written once it can be', async () => {
    open();
    const login = await desk.login(noon - 1000);
    const old = desk.read('test-person.json');
    const { store } = desk.keeper;
    const patch = store.patch.bind(store);
    const refusing = { on: true };
    const keeper = await desk.restart({
      store: {
        ...store,
        patch: (file, change) =>
          patch(file, (fields) => change(fields) && (refusing.on ? undefined : change(fields))).then(
            (done) =>
              refusing.on && done.kind === 'unchanged' && change(done.login.fields)
                ? { kind: 'refused', reason: 'the disk is full' }
                : done,
          ),
      },
    });
    void login;
    const held = keeper.find('test-person.json')!.login!;
    await held.ready(forever);
    expect(held.fields['refresh_token']).not.toBe(old['refresh_token']);
    expect(desk.read('test-person.json')).toEqual(old);
    refusing.on = false;
    await keeper.renewDue();
    expect(desk.read('test-person.json')).toEqual(held.fields);
    expect(desk.lines.map(({ event }) => event)).toContain('login-not-written');
  });
});
