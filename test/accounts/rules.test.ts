import { describe, expect, test } from 'bun:test';
import type { Account } from '../../src/accounts/account.ts';
import { failureRules, type FailureRuleEntry, failureRulesIn, ruling } from '../../src/accounts/rules.ts';
import { GatewayError, type Scope } from '../../src/core/error.ts';

/** `request-scoped-errors`: the operator's own word on what an upstream's error means. */

const refuse = (path: string, expected: string): never => {
  throw new Error(`${path}: expected ${expected}`);
};

const accountWith = (...rules: readonly FailureRuleEntry[]): Account => ({
  id: 'a',
  provider: 'claude',
  label: 'claude sk-a...9f3c',
  secret: { kind: 'none' },
  priority: 0,
  weight: 1,
  proxy: 'direct',
  failureRules: failureRules(rules, refuse),
});

const failed = (status: number, body: string | undefined, scope: Scope = 'credential') =>
  new GatewayError({ kind: 'upstream-failed', status }, 'The upstream reported an error: busy.', {
    scope,
    upstream: { status, code: 'busy_code' },
    ...(body === undefined ? {} : { body }),
  });

const decide = (account: Account, error: GatewayError) => {
  const { stop, cools, error: ruled } = ruling(account, error);
  return { stop, cools, scope: ruled.scope };
};

test('without a rule the fault of the request stops and costs nothing, and any other goes on and costs its scope', () => {
  expect(decide(accountWith(), failed(400, 'x', 'request'))).toEqual({
    stop: true,
    cools: false,
    scope: 'request',
  });
  expect(decide(accountWith(), failed(500, 'x', 'provider'))).toEqual({
    stop: false,
    cools: true,
    scope: 'provider',
  });
});

test.each([
  ['stop', { stop: true, cools: false, scope: 'credential' }],
  ['stop-and-cooldown', { stop: true, cools: true, scope: 'credential' }],
  ['continue', { stop: false, cools: false, scope: 'credential' }],
  ['continue-and-cooldown', { stop: false, cools: true, scope: 'credential' }],
] as const)('%s', (action, expected) => {
  const account = accountWith({ status: 403, match: ['special word'], action });
  expect(decide(account, failed(403, '{"error":"a special word"}'))).toEqual(expected);
});

test('a fault of the request that a rule lets rest rests the model on that credential', () => {
  const account = accountWith({ status: 400, match: ['x'], action: 'continue-and-cooldown' });
  expect(decide(account, failed(400, 'x', 'request'))).toEqual({ stop: false, cools: true, scope: 'model' });
});

describe('a rule matches', () => {
  const stops = (rule: Omit<FailureRuleEntry, 'action'>, error: GatewayError) =>
    decide(accountWith({ ...rule, action: 'stop' }), error).stop;

  test.each<[string, Omit<FailureRuleEntry, 'action'>, boolean]>([
    ['a text, as it is written', { status: 500, match: ['Busy'] }, true],
    ['no text in another case', { status: 500, match: ['busy'] }, false],
    ['any of its texts', { status: 500, match: ['nothing', 'Busy'] }, true],
    ['an expression', { status: 500, 'match-regexr': ['^\\{"a":"B.sy'] }, true],
    ['an expression with flags of the reference', { status: 500, 'match-regexr': ['(?i)busy'] }, true],
    ['either kind', { status: 500, match: ['nothing'], 'match-regexr': ['Busy'] }, true],
    ['its own status only', { status: 502, match: ['Busy'] }, false],
  ])('%s', (_, rule, expected) => expect(stops(rule, failed(500, '{"a":"Busy"}'))).toBe(expected));

  test('the words of a failure that came inside a stream', () => {
    expect(stops({ status: 500, match: ['busy_code'] }, failed(500, undefined))).toBe(true);
  });

  test('nothing that never reached an upstream', () => {
    const error = new GatewayError({ kind: 'transport', phase: 'connect' }, 'x');
    expect(stops({ status: 502, match: ['x'] }, error)).toBe(false);
  });
});

test('the first rule that matches decides', () => {
  const account = accountWith(
    { status: 500, match: ['nothing'], action: 'stop' },
    { status: 500, match: ['Busy'], action: 'continue' },
    { status: 500, match: ['Busy'], action: 'stop-and-cooldown' },
  );
  expect(decide(account, failed(500, 'Busy'))).toMatchObject({ stop: false, cools: false });
});

test.each<[string, FailureRuleEntry]>([
  ['[0]: expected match or match-regexr', { status: 500, action: 'stop' }],
  ['[0]: expected match or match-regexr', { status: 500, match: [], 'match-regexr': [], action: 'stop' }],
  [
    '[0].match-regexr[1]: expected a regular expression',
    { status: 500, 'match-regexr': ['a', '(b'], action: 'stop' },
  ],
])('a rule that could never match is refused: %s', (message, rule) => {
  expect(() => failureRules([rule], refuse)).toThrow(message);
});

test.each<[unknown, string]>([
  [{}, ': expected array'],
  [[{ status: 500, match: ['a'], action: 'retry' }], '[0].action: expected stop, stop-and-cooldown'],
  [[{ match: ['a'], action: 'stop' }], '[0].status: expected required property'],
  [[{ status: 500, action: 'stop' }], '[0]: expected match or match-regexr'],
])('the rules of a file are checked before they are used: %j', (value, message) => {
  expect(() => failureRulesIn(value, refuse)).toThrow(message);
});

test('a file without rules has none', () => expect(failureRulesIn(undefined, refuse)).toEqual([]));

test('the body that a rule looks at is bounded, and nothing that prints the error prints it', () => {
  const error = failed(500, `sk-secret${'x'.repeat(100_000)}`);
  expect(error.body!.length).toBeLessThanOrEqual(16 * 1024);
  expect(error.with({ scope: 'model' }).body).toBe(error.body);
  expect(JSON.stringify(error) + Bun.inspect(error)).not.toContain('sk-secret');
});
