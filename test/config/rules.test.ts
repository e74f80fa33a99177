import { describe, expect, test } from 'bun:test';
import type { Account } from '../../src/accounts/account.ts';
import { ruling } from '../../src/accounts/rules.ts';
import codex from '../../src/channels/codex/index.ts';
import { buildRuntime } from '../../src/config/build.ts';
import { openLogins } from '../../src/config/logins.ts';
import { GatewayError } from '../../src/core/error.ts';
import type { Json } from '../../src/core/json.ts';
import { tools } from '../channels/tools.ts';
import { testLogin } from '../support/login.ts';
import { parse, refused } from './support.ts';

/** Where rules on the errors of upstreams are written, and what is said of one that cannot be used. */

const busy = new GatewayError({ kind: 'upstream-failed', status: 500 }, 'Busy.', {
  upstream: { status: 500 },
});
const decides = (account: Account) => ruling(account, busy.with({ body: 'busy' }));

test('an entry has its own', () => {
  const rules = '[{status: 500, match: [busy], action: stop}]';
  const text = `codex-api-key: [{api-key: sk-0123456789abcdef, request-scoped-errors: ${rules}}]\n`;
  const { runtime } = buildRuntime(text, { file: 'config.yaml', environment: {} });
  expect(decides(runtime.connections[0]!.accounts[0]!)).toMatchObject({ stop: true, cools: false });
});

describe('a login has those of its channel', () => {
  const idToken = `e30.${Buffer.from(JSON.stringify({ email: 'a@example.com', sub: 'user-1' })).toString('base64url')}.e30`;
  const fields = {
    type: 'codex',
    access_token: 'at',
    refresh_token: 'rt',
    id_token: idToken,
    account_id: 'acc',
  };
  const channel = '[{status: 500, match: [busy], action: stop-and-cooldown}]';
  const open = (more: Json, warn = (_: string, message: string) => expect(message).toBe('')) => {
    const { config } = parse(`oauth-request-scoped-errors: {Codex: ${channel}}\n`);
    const login = testLogin(codex.logins!, { ...fields, ...more });
    return openLogins([codex], [login], config, { ...tools(), warn });
  };

  test('and those of its file, which come first', () => {
    expect(decides(open({})[0]!.accounts[0]!)).toMatchObject({ stop: true, cools: true });
    const own = { request_scoped_errors: [{ status: 500, match: ['busy'], action: 'continue' }] };
    expect(decides(open(own)[0]!.accounts[0]!)).toMatchObject({ stop: false, cools: false });
    const other = { request_scoped_errors: [{ status: 500, match: ['other'], action: 'continue' }] };
    expect(decides(open(other)[0]!.accounts[0]!)).toMatchObject({ stop: true, cools: true });
  });

  test('and is not used when a rule of its file cannot be', () => {
    const told: string[] = [];
    const bad = { request_scoped_errors: [{ status: 500, match: ['busy'], action: 'retry' }] };
    expect(open(bad, (_, message) => told.push(message))).toEqual([]);
    expect(told.join()).toContain('request_scoped_errors[0].action should be stop, stop-and-cooldown');
  });
});

test.each([
  ['{status: 500, action: stop}', '[0]: cannot be used; expected match or match-regexr'],
  [
    '{status: 500, match-regexr: ["(a"], action: stop}',
    'match-regexr[0]: cannot be used; expected a regular',
  ],
  ['{status: 500, match: [a], action: retry}', '[0].action: found "retry"; expected stop, stop-and-cooldown'],
  ['{match: [a], action: stop}', '[0].status: is missing'],
])('%s is a fault of the config, for an entry and for logins', (rule, message) => {
  const logins = `oauth-request-scoped-errors: {codex: [${rule}]}\n`;
  expect(refused(() => parse(logins)).message).toContain(message);
  const entry = `codex-api-key: [{api-key: sk-0123456789abcdef, request-scoped-errors: [${rule}]}]\n`;
  const build = () => buildRuntime(entry, { file: 'config.yaml', environment: {} });
  expect(refused(build).message).toContain(message);
});
