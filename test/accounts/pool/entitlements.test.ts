import { describe, expect, test } from 'bun:test';
import { createEntitlements, entitlementLimits } from '../../../src/accounts/pool/entitlements.ts';
import type { GatewayError } from '../../../src/core/error.ts';
import { createState } from '../../../src/state/state.ts';
import { clocked, error, option, policy, throttled } from './support.ts';

/** Models that the plan of an account leaves out. */

const notIncluded = (): GatewayError =>
  error({ kind: 'upstream-forbidden', status: 403, reason: 'not_entitled' });
const [a, b] = [option('a'), option('b')];
const other = option('a', {}, 'other');
const hours = 3_600_000;

/** A pool on a state that may have been there before. */
function opened(state = createState()) {
  const nobody = { get: () => undefined, put() {}, delete: () => false };
  const at = () => gateway.now();
  const entitlements = createEntitlements(state.space('entitlements', entitlementLimits), nobody, () => at());
  const gateway = clocked({ store: entitlements });
  return { state, entitlements, gateway };
}

describe('a model that a plan leaves out', () => {
  test('is asked of other accounts first for hours, and the account serves its other models', () => {
    const { gateway, entitlements } = opened();
    gateway.fail([a], notIncluded);
    for (let hour = 0; hour < 5; hour++) {
      gateway.pass(hours);
      expect(gateway.serve([a, b])).toBe('b');
    }
    expect(gateway.serve([other])).toBe('a');
    expect(gateway.pool.state(a.account).cooling).toBe(false);
    expect(entitlements.of('a')).toMatchObject([{ model: 'm', message: 'no' }]);
  });

  test('is asked of the account after all when there is nobody else, and an answer forgets it', () => {
    const { gateway, entitlements } = opened();
    gateway.fail([a], notIncluded);
    const walk = gateway.walk([a]);
    expect(walk.next()).toBeUndefined();
    expect(walk.lastResort()?.account.id).toBe('a');
    walk.answered(1);
    walk.end();
    expect(entitlements.of('a')).toEqual([]);
    expect(gateway.serve([a])).toBe('a');
  });

  test('is remembered over a restart, whether or not rests are, with what was said', () => {
    const first = opened();
    first.gateway.fail([a], notIncluded);
    first.gateway.fail([b], () => throttled(60_000));
    const second = opened(first.state);
    expect(second.entitlements.of('a')).toMatchObject([{ model: 'm' }]);
    expect(second.gateway.serve([a, b])).toBe('b');
    const [explained] = second.gateway.pool.explain([a]);
    expect(explained!.blocks[0]!.standing.rest!.error.code).toBe('upstream_not_entitled');
  });

  test('is forgotten in the end, and when somebody signs in anew', () => {
    const { gateway, entitlements, state } = opened();
    gateway.fail([a], notIncluded);
    gateway.pass(25 * hours);
    expect(entitlements.of('a')).toEqual([]);
    gateway.fail([a], notIncluded);
    entitlements.forget('a');
    gateway.pool.clear('a');
    expect(gateway.serve([a])).toBe('a');
    expect(opened(state).entitlements.of('a')).toEqual([]);
  });

  test('is forgotten with its account, and nothing is learned where nothing may rest', () => {
    const { gateway, entitlements } = opened();
    gateway.fail([a], notIncluded);
    gateway.pool.keep([]);
    expect(entitlements.of('a')).toEqual([]);
    gateway.fail([b], notIncluded, { policy: policy({ cooling: false }) });
    expect(entitlements.of('b')).toEqual([]);
  });

  test('is one of so many for each account: the oldest make room', () => {
    const { gateway, entitlements } = opened();
    for (let index = 0; index < 150; index++) gateway.fail([option('a', {}, `m${index}`)], notIncluded);
    const models = entitlements.of('a').map(({ model }) => model);
    expect(models).toHaveLength(100);
    expect(models.at(-1)).toBe('m149');
  });

  test('a whole service that is not included is no matter of one model', () => {
    const { gateway, entitlements } = opened();
    gateway.fail([a], () =>
      error({ kind: 'upstream-forbidden', status: 403, reason: 'not_entitled' }, { scope: 'credential' }),
    );
    expect(entitlements.of('a')).toEqual([]);
    expect(gateway.pool.state(a.account).cooling).toBe(true);
  });
});
