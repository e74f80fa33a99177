import type { GatewayError } from '../../core/error.ts';
import { refaulted } from '../../protocols/remedies.ts';

/** The windows that all models of a key share, and the one that only some models count against. */
export const sharedWindows = ['5h', '7d'];
const modelWindow = '7d_oi';

/**
 * Reads which window a 429 closed, from the `anthropic-ratelimit-unified-*` headers: a shared one rests the whole key
 * until the latest reset of those rejected, the other one rests the model only. Without these headers the protocol's
 * own reading stands. (Behaviour of the reference; see ../shared/spec/channels.md, section 1.)
 * @param now milliseconds since 1970.
 */
export function judge(error: GatewayError, headers: Headers, now: number): GatewayError {
  if (error.status !== 429) return error;
  // "Usage credits are required for fast mode": what the request asked for is not sold to this key; others may ask.
  if (/fast mode/i.test(error.message) && /credit/i.test(error.message))
    return error.with({ scope: 'request' });
  const shared = sharedWindows.filter((window) => rejected(headers, window));
  if (shared.length > 0) return closed(error, headers, shared, 'credential', now);
  if (rejected(headers, modelWindow)) return closed(error, headers, [modelWindow], 'model', now);
  if (headers.get('anthropic-ratelimit-unified-status') === 'rejected')
    return closed(error, headers, [], 'credential', now);
  return error;
}

const rejected = (headers: Headers, window: string) =>
  headers.get(`anthropic-ratelimit-unified-${window}-status`)?.trim().toLowerCase() === 'rejected';

function closed(
  error: GatewayError,
  headers: Headers,
  windows: readonly string[],
  scope: 'credential' | 'model',
  now: number,
): GatewayError {
  const names = [...windows.map((window) => `${window}-reset`), ...(windows.length > 0 ? [] : ['reset'])];
  const resets = names
    .map((name) => instantOf(headers.get(`anthropic-ratelimit-unified-${name}`)))
    .filter((reset) => reset !== undefined);
  const told = resets.length > 0 ? Math.max(0, Math.max(...resets) - now) + graceMs() : error.retryAfterMs;
  return refaulted(error, { kind: 'quota-exhausted' }).with({
    scope,
    ...(told === undefined ? {} : { retryAfterMs: told }),
  });
}

/** Keeps a crowd of gateways from coming back in the same instant. */
const graceMs = () => 500 + Math.floor(Math.random() * 1_500);

/** Milliseconds since 1970 from Unix seconds (fractions allowed), RFC 3339 or an HTTP date. */
function instantOf(text: string | null): number | undefined {
  if (text === null || text.trim() === '') return undefined;
  const seconds = Number(text);
  const instant = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text);
  return Number.isFinite(instant) ? instant : undefined;
}
