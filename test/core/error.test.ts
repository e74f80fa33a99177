import { describe, expect, test } from 'bun:test';
import { asGatewayError, GatewayError, type Fault } from '../../src/core/error.ts';

/** Fault, status, code, scope: what clients and operators branch on, so a change here is a change of the surface. */
const table: readonly (readonly [Fault, number, string, string])[] = [
  [{ kind: 'invalid-request' }, 400, 'invalid_request', 'request'],
  [{ kind: 'invalid-request', code: 'missing_model' }, 400, 'missing_model', 'request'],
  [{ kind: 'unauthorized' }, 401, 'invalid_api_key', 'request'],
  [{ kind: 'forbidden' }, 403, 'forbidden', 'request'],
  [{ kind: 'forbidden', code: 'client_key' }, 403, 'client_key', 'request'],
  [{ kind: 'not-found', what: 'model' }, 404, 'model_not_found', 'request'],
  [{ kind: 'not-found', what: 'route' }, 404, 'not_found', 'request'],
  [{ kind: 'method-not-allowed', allow: ['GET'] }, 405, 'method_not_allowed', 'request'],
  [{ kind: 'too-large' }, 413, 'request_too_large', 'request'],
  [{ kind: 'content-filtered' }, 400, 'content_filter', 'request'],
  [{ kind: 'rate-limited' }, 429, 'rate_limit_exceeded', 'credential'],
  [{ kind: 'quota-exhausted' }, 429, 'insufficient_quota', 'credential'],
  [{ kind: 'upstream-unauthorized' }, 502, 'upstream_auth', 'credential'],
  [{ kind: 'upstream-forbidden', status: 402 }, 402, 'upstream_forbidden', 'credential'],
  [{ kind: 'upstream-forbidden', status: 403 }, 403, 'upstream_forbidden', 'credential'],
  [
    { kind: 'upstream-forbidden', status: 403, reason: 'not_entitled' },
    403,
    'upstream_not_entitled',
    'model',
  ],
  [
    { kind: 'upstream-forbidden', status: 403, reason: 'verification_required' },
    403,
    'upstream_verification_required',
    'credential',
  ],
  [{ kind: 'upstream-forbidden', status: 403, reason: 'suspended' }, 403, 'upstream_suspended', 'credential'],
  [{ kind: 'upstream-forbidden', status: 403, reason: 'region' }, 403, 'upstream_region', 'transport'],
  [{ kind: 'upstream-forbidden', status: 403, reason: 'challenge' }, 403, 'upstream_challenge', 'transport'],
  [{ kind: 'upstream-forbidden', status: 402, reason: 'billing' }, 402, 'upstream_billing', 'credential'],
  [{ kind: 'overloaded' }, 503, 'overloaded', 'provider'],
  [{ kind: 'upstream-failed', status: 500 }, 502, 'upstream_error', 'provider'],
  [{ kind: 'upstream-failed', status: 504 }, 504, 'upstream_error', 'provider'],
  [{ kind: 'transport', phase: 'connect' }, 502, 'upstream_unreachable', 'transport'],
  [{ kind: 'transport', phase: 'first-byte' }, 504, 'upstream_timeout', 'transport'],
  [{ kind: 'transport', phase: 'gap' }, 504, 'upstream_timeout', 'transport'],
  [{ kind: 'transport', phase: 'cut' }, 502, 'stream_interrupted', 'transport'],
  [{ kind: 'bad-upstream-data' }, 502, 'upstream_bad_data', 'provider'],
  [{ kind: 'unavailable' }, 503, 'unavailable', 'credential'],
  [{ kind: 'cancelled' }, 499, 'client_closed_request', 'request'],
  [{ kind: 'internal' }, 500, 'internal_error', 'request'],
];

describe('GatewayError', () => {
  test.each(table)('%j is status %i, code %s, and blames the %s', (fault, status, code, scope) => {
    const error = new GatewayError(fault, 'It failed.');
    expect([error.status, error.code, error.scope as string]).toEqual([status, code, scope]);
  });

  test('tells what happened and then what to do', () => {
    const error = new GatewayError({ kind: 'internal' }, 'It failed.', { remedy: 'Try again.' });
    expect(error.advice).toBe('It failed. Try again.');
    expect(new GatewayError({ kind: 'internal' }, 'It failed.').advice).toBe('It failed.');
  });

  test('is sharpened without losing what is known', () => {
    const cause = new Error('socket');
    const error = new GatewayError({ kind: 'rate-limited' }, 'Slow down.', {
      cause,
      remedy: 'Wait.',
      scope: 'model',
      retryAfterMs: 5,
      upstream: { status: 429 },
    });
    const same = error.with({ retryAfterMs: 9 });
    expect(same).toMatchObject({
      message: 'Slow down.',
      remedy: 'Wait.',
      scope: 'model',
      retryAfterMs: 9,
      cause,
    });
    expect(same.upstream).toEqual({ status: 429 });
    const other = error.with({ fault: { kind: 'quota-exhausted' }, message: 'Used up.' });
    expect(other).toMatchObject({ message: 'Used up.', scope: 'credential', code: 'insufficient_quota' });
  });

  test.each<[Fault, boolean]>([
    [{ kind: 'invalid-request' }, false],
    [{ kind: 'invalid-request', beyondModel: true }, true],
    [{ kind: 'content-filtered' }, true],
    [{ kind: 'not-found', what: 'item' }, false],
    [{ kind: 'cancelled' }, false],
    [{ kind: 'rate-limited' }, true],
    [{ kind: 'transport', phase: 'cut' }, true],
  ])('%j leaves another model a chance: %p', (fault, may) => {
    expect(new GatewayError(fault, 'It failed.').otherModelMay).toBe(may);
  });

  test('a context that is too small is one model’s own, a body over our limit is not', () => {
    const error = new GatewayError({ kind: 'too-large' }, 'Too long.');
    expect(error.otherModelMay).toBe(false);
    expect(error.with({ upstream: { status: 400 } }).otherModelMay).toBe(true);
  });

  test('is what any thrown value becomes, and the unforeseen keeps its words to itself', () => {
    const known = new GatewayError({ kind: 'overloaded' }, 'Busy.');
    expect(asGatewayError(known)).toBe(known);
    const unforeseen = asGatewayError(new Error('sk-secret'));
    expect(unforeseen.fault.kind).toBe('internal');
    expect(unforeseen.advice).not.toContain('sk-secret');
    expect(asGatewayError(undefined).status).toBe(500);
  });
});
