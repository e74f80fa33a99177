import { type Static, Type } from '@sinclair/typebox';
import { compact, readBoolean, readObject } from '../core/json.ts';
import { fieldOf, numberField } from './fields.ts';

/** What an operator allows a credential or a provider to be used for; absent: without limit. */
export interface Limits {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  readonly requestsPerDay?: number;
  readonly tokensPerDay?: number;
  readonly maxInFlight?: number;
  /** Whether a request waits for its turn; absent: for a place in flight only. */
  readonly wait?: boolean;
  readonly maxWaitMs: number;
}

const limit = (description: string) => Type.Optional(Type.Integer({ minimum: 1, description }));

/** What an operator allows a credential or a provider to be used for. */
export const rateLimitSchema = Type.Object(
  {
    rpm: limit('Requests per minute.'),
    tpm: limit('Tokens per minute, of requests and answers together.'),
    rpd: limit('Requests per day.'),
    tpd: limit('Tokens per day.'),
    'max-in-flight': limit('Requests at a time.'),
    'wait-on-limit': Type.Optional(
      Type.Boolean({
        description:
          'Requests wait for their turn. Absent: they wait for a place in flight, but not for the next minute or day.',
      }),
    ),
    'max-wait-seconds': Type.Optional(
      Type.Number({ minimum: 0, maximum: 3600, description: 'Seconds to wait at most; 30 is the default.' }),
    ),
  },
  { description: 'Own limits, kept before the provider says so.' },
);

export type RateLimit = Static<typeof rateLimitSchema>;

/** Limits as the config spells them; undefined when there are none. */
export function limitsOf(setting: RateLimit | undefined): Limits | undefined {
  if (setting === undefined) return undefined;
  const limits = compact({
    requestsPerMinute: setting.rpm,
    tokensPerMinute: setting.tpm,
    requestsPerDay: setting.rpd,
    tokensPerDay: setting.tpd,
    maxInFlight: setting['max-in-flight'],
  });
  if (Object.keys(limits).length === 0) return undefined;
  const wait = setting['wait-on-limit'];
  return {
    ...limits,
    ...(wait === undefined ? {} : { wait }),
    maxWaitMs: (setting['max-wait-seconds'] ?? 30) * 1000,
  };
}

/** The same as the file of a login gives them; what is no number is left out. */
export function limitsIn(value: unknown): Limits | undefined {
  const given = readObject(value) ?? {};
  const least1 = (name: string) => {
    const number = Math.trunc(numberField(given, name) ?? 0);
    return number >= 1 ? number : undefined;
  };
  return limitsOf(
    compact({
      rpm: least1('rpm'),
      tpm: least1('tpm'),
      rpd: least1('rpd'),
      tpd: least1('tpd'),
      'max-in-flight': least1('max_in_flight'),
      'wait-on-limit': readBoolean(fieldOf(given, 'wait_on_limit')),
      'max-wait-seconds': numberField(given, 'max_wait_seconds'),
    }),
  );
}

/** Why a limit lets nobody through, and until when; Infinity when only a call that ends can tell. */
export interface Full {
  readonly what: string;
  readonly untilMs: number;
  /** A request may wait for it. */
  readonly waits: boolean;
}

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** Counts what one credential or provider is used for against its limits. */
export class Meter {
  private windows: readonly Window[] = [];

  constructor(private current: Limits) {
    this.limits = current;
  }

  get limits(): Limits {
    return this.current;
  }

  /** New limits keep what was counted under the old ones. */
  set limits(limits: Limits) {
    this.current = limits;
    this.windows = kinds.flatMap(({ key, what, spanMs, tokens }) => {
      const limit = limits[key];
      if (limit === undefined) return [];
      const counted = this.windows.find((window) => window.what === what);
      return [counted?.limited(limit) ?? new Window(what, spanMs, limit, tokens)];
    });
  }

  /** What stands against one more request of about so many tokens. */
  full(nowMs: number, inFlight: number, tokens: number): Full | undefined {
    const { maxInFlight, wait } = this.current;
    if (maxInFlight !== undefined && inFlight >= maxInFlight)
      return { what: `${maxInFlight} requests in flight`, untilMs: Infinity, waits: wait !== false };
    for (const window of this.windows) {
      const untilMs = window.freeAt(nowMs, window.tokens ? tokens : 1);
      if (untilMs > nowMs) return { what: window.what, untilMs, waits: wait === true };
    }
    return undefined;
  }

  /** Counts requests and tokens; what was estimated too high is taken back with a negative number. */
  count(nowMs: number, requests: number, tokens: number): void {
    for (const window of this.windows) window.add(nowMs, window.tokens ? tokens : requests);
  }
}

const kinds = [
  { key: 'requestsPerMinute', what: 'requests per minute', spanMs: minuteMs, tokens: false },
  { key: 'tokensPerMinute', what: 'tokens per minute', spanMs: minuteMs, tokens: true },
  { key: 'requestsPerDay', what: 'requests per day', spanMs: dayMs, tokens: false },
  { key: 'tokensPerDay', what: 'tokens per day', spanMs: dayMs, tokens: true },
] as const;

/**
 * A window that slides: of the span before this one counts as much as still lies inside. No burst at the turn of a
 * minute, and two numbers are all it takes.
 */
class Window {
  private span = 0;
  private used = 0;
  private before = 0;

  constructor(
    readonly what: string,
    private readonly spanMs: number,
    private limit: number,
    readonly tokens: boolean,
  ) {}

  limited(limit: number): this {
    this.limit = limit;
    return this;
  }

  add(nowMs: number, amount: number): void {
    this.roll(nowMs);
    this.used = Math.max(0, this.used + amount);
  }

  /** When so much more fits in. What is larger than the whole window fits once it is empty. */
  freeAt(nowMs: number, amount: number): number {
    this.roll(nowMs);
    const room = this.limit - Math.min(amount, this.limit);
    const startMs = this.span * this.spanMs;
    if (this.used <= room) return Math.max(nowMs, startMs + this.fadeMs(this.before, room - this.used));
    return startMs + this.spanMs + this.fadeMs(this.used, room);
  }

  /** How far into a span the amount of the one before has faded to so much. */
  private fadeMs(before: number, room: number): number {
    return before <= room ? 0 : Math.ceil(this.spanMs * (1 - room / before));
  }

  private roll(nowMs: number): void {
    const span = Math.floor(nowMs / this.spanMs);
    if (span === this.span) return;
    this.before = span === this.span + 1 ? this.used : 0;
    this.used = 0;
    this.span = span;
  }
}
