import { afterEach, describe, expect, test } from 'bun:test';
import { examine, type Patient } from '../../../src/accounts/logins/doctor.ts';
import { lanes } from '../../../src/accounts/logins/lanes.ts';
import { createTally } from '../../../src/accounts/pool/tally.ts';
import { type Desk, type DeskOptions, minutes, noon, openDesk } from './desk.ts';

let desk: Desk;
afterEach(() => desk?.close());
const open = (options?: DeskOptions) => (desk = openDesk(options));

const findings = (changes: Partial<Patient> = {}) =>
  examine({
    files: desk.keeper.files,
    found: desk.keeper.found,
    local: [],
    skews: new Map(),
    now: noon,
    ...changes,
  });

describe('the doctor', () => {
  test('finds nothing wrong with a login that renews itself', async () => {
    open();
    await desk.login(noon + minutes);
    expect(findings()).toEqual([]);
  });

  test('names a token that ends soon and cannot be renewed, before it does', async () => {
    open({ logins: { renew: undefined as never } });
    await desk.login(noon + 120 * minutes);
    expect(findings()).toEqual([
      {
        id: 'AUTH-ENDS-SOON',
        severity: 'warning',
        where: 'test-person.json',
        what: 'its token ends in 2 h and cannot be renewed',
        remedy: 'Run `cliproxyapi++ auth login test` before that.',
      },
    ]);
  });

  test('names a token that another program on this machine renews as well', async () => {
    open();
    const login = await desk.login(noon + 60 * minutes);
    const theirs = { refreshToken: login.fields['refresh_token'] };
    expect(findings({ local: [{ path: '~/.other/auth.json', fields: theirs }] })).toMatchObject([
      { id: 'AUTH-SHARED', where: 'test-person.json', what: expect.stringContaining('~/.other/auth.json') },
    ]);
    expect(findings({ local: [{ path: 'x', fields: { refreshToken: 'another' } }] })).toEqual([]);
  });

  test('names modes that could not be mended, with their command, and a clock that is wrong', () => {
    open();
    const found = { ...desk.keeper.found, lax: [{ path: '/auth', command: 'chmod 700 /auth' }] };
    const skews = new Map([
      ['codex', 90_000],
      ['kiro', -1_000],
    ]);
    expect(findings({ found, skews })).toMatchObject([
      { id: 'AUTH-MODE', remedy: 'Run `chmod 700 /auth`.' },
      { id: 'AUTH-CLOCK', where: 'codex', what: "the clock of this machine is 90 s behind the provider's" },
    ]);
  });

  test('asks a provider for its clock, and leaves one out that does not answer', async () => {
    open({ date: () => desk.now + 60 * minutes });
    const login = await desk.login(noon + 60 * minutes);
    const skews = await desk.keeper.measureSkew([login]);
    expect([...skews]).toEqual([['test', 60 * minutes + 500]]);
  });
});

describe('the tally', () => {
  test('counts in all, and by spans of ten minutes of which the last twenty are kept', () => {
    let now = noon;
    const tally = createTally(() => now);
    tally.add('a', true);
    tally.add('a', false);
    now += 10 * minutes;
    tally.add('a', true);
    expect(tally.of('a')).toMatchObject({ success: 2, failed: 1, recent: { length: 20 } });
    expect(
      tally
        .of('a')
        .recent.slice(-2)
        .map(({ success, failed }) => [success, failed]),
    ).toEqual([
      [1, 1],
      [1, 0],
    ]);
    now += 24 * 60 * minutes;
    expect(tally.of('a').recent.every(({ success, failed }) => success + failed === 0)).toBe(true);
    expect(tally.of('nobody')).toMatchObject({ success: 0, failed: 0 });
  });
});

describe('a narrow place', () => {
  test('lets so many through at a time, in their order, and more when it widens', async () => {
    let width = 1;
    const narrow = lanes(() => width);
    const entered: string[] = [];
    const enter = async (name: string) => {
      const leave = await narrow.enter();
      entered.push(name);
      return leave;
    };
    const first = await enter('a');
    const others = [enter('b'), enter('c'), enter('d')];
    expect(entered).toEqual(['a']);
    width = 2;
    first();
    first();
    await Promise.all(others.slice(0, 2));
    expect(entered).toEqual(['a', 'b', 'c']);
    (await others[0]!)();
    await others[2];
    expect(entered).toEqual(['a', 'b', 'c', 'd']);
  });
});
