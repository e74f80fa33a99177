import { newId } from '../../src/core/id.ts';
import type { Asked, Turn } from './script.ts';
import { turnFor } from './script.ts';
import { wireServer, type Answer, type Received, type WireServer } from './wire-server.ts';

/** An answer that is no success: status, the vendor's headers and its body. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How one vendor checks and speaks. */
export interface Vendor {
  /** Why the request would be refused by the real one, whatever its path. */
  authorize(received: Received, keys: ReadonlySet<string>): Refusal | undefined;
  /** Answers paths that are no chat; undefined when the path is the chat's. */
  other(received: Received): Refusal | undefined;
  check(received: Received): Refusal | undefined;
  asked(received: Received): Asked;
  /** Whether an answer is streamed; by the body's own word when it does not say. */
  streams?(received: Received): boolean;
  /** The stream's frames as text, in order; the last `closing` of them are what a complete stream ends with. */
  stream(turn: Turn, received: Received): readonly string[];
  readonly closing: number;
  /** How many frames come before any content. */
  readonly opening: number;
  whole(turn: Turn, received: Received): string;
  /** What the vendor answers with this status: its own words, headers and type. */
  refusal(status: number): Refusal;
  /** A failure told inside a 200 stream. */
  errorFrame(): string;
}

/** Things that go wrong. `after` counts frames of content that still come through. */
export type Fault =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  | {
      readonly kind: 'reset' | 'hang';
      readonly when: 'before-headers' | 'after-headers' | 'mid-body';
      readonly after?: number;
      /** A reset in the middle waits for this: what a client has not read yet is lost with the connection. */
      readonly until?: Promise<unknown>;
    }
  /** Silence in the middle, until the promise resolves. */
  | { readonly kind: 'pause'; readonly after: number; readonly until: Promise<unknown> }
  /** The stream stops short: `clean` ends the HTTP body as if all were said, otherwise the connection closes. */
  | {
      readonly kind: 'cut';
      readonly after: number;
      readonly clean: boolean;
      readonly until?: Promise<unknown>;
    }
  | { readonly kind: 'malformed'; readonly after: number }
  /** All the content, but not the frames that say it is over. */
  | { readonly kind: 'missing-end' }
  | { readonly kind: 'wrong-type' }
  /** A 200 stream that tells a failure after so many frames of content. */
  | { readonly kind: 'error-event'; readonly after: number }
  /** A 200 whose JSON body is an error. */
  | { readonly kind: 'error-body' }
  /** Every byte in its own chunk. */
  | { readonly kind: 'drip' }
  /** One frame of so many MiB of text. */
  | { readonly kind: 'huge'; readonly mib: number };

/** What to do with a request: a fault, a turn to say, or nothing special. */
export type Behaviour = Fault | Turn | undefined;

export interface Simulator extends WireServer {
  /** Keys it accepts. */
  readonly keys: Set<string>;
  /** Behaviours of the next chat requests, used up in order. */
  readonly next: Behaviour[];
  /** Behaviours by key, for as long as they stand. */
  readonly byKey: Map<string, Fault>;
  /** The behaviour of every request that has none otherwise. */
  always: Behaviour;
  /** Requests that got past the vendor's checks. */
  readonly accepted: Received[];
  /** What the vendor's checks refused, in its own words: a gateway must never cause one by itself. */
  readonly refused: string[];
  /** Forgets requests and behaviours, for the next test. */
  reset(): void;
}

export const simulatorKey = 'sk-upstream-0123456789abcdef';

/** Runs a vendor on loopback. */
export function simulator(vendor: Vendor): Simulator {
  const keys = new Set([simulatorKey]);
  const next: Behaviour[] = [];
  const byKey = new Map<string, Fault>();
  const accepted: Received[] = [];
  const refused: string[] = [];
  const own = { keys, next, byKey, accepted, refused, always: undefined as Behaviour };

  const server = wireServer(async (received, answer) => {
    const unauthorized = vendor.authorize(received, keys);
    if (unauthorized) return refuse(answer, unauthorized);
    const other = vendor.other(received);
    const fault = byKey.get(keyOf(received)) ?? (other ? undefined : (next.shift() ?? own.always));
    if (fault && 'kind' in fault && fault.kind === 'status') return refuse(answer, statusOf(vendor, fault));
    if (other) return refuse(answer, other);
    const refusal = vendor.check(received);
    if (refusal) {
      refused.push(refusal.body);
      return refuse(answer, refusal);
    }
    accepted.push(received);
    await perform(vendor, received, answer, fault);
  });

  return Object.defineProperties(
    Object.assign(own, {
      arrival: server.arrival,
      stop: server.stop,
      url: server.url,
      port: server.port,
      received: server.received,
      reset() {
        for (const list of [server.received, next, accepted, refused]) list.length = 0;
        byKey.clear();
        own.always = undefined;
      },
    }),
    { open: { get: () => server.open }, opened: { get: () => server.opened } },
  ) as Simulator;
}

/** The key a request presents, in any vendor's header. */
export const keyOf = (received: Received): string =>
  received.headers.get('x-api-key') ??
  received.headers.get('x-goog-api-key') ??
  received.headers.get('authorization')?.replace(/^Bearer /i, '') ??
  '';

/** An id of the vendor's own making, never that of the gateway. */
export const madeUp = (prefix: string): string => newId(prefix).replace(/.{6}$/, 'vendor');

function refuse(answer: Answer, { status, headers, body }: Refusal): void {
  answer.whole(status, headers, body);
}

function statusOf(vendor: Vendor, fault: Extract<Fault, { kind: 'status' }>): Refusal {
  const usual = vendor.refusal(fault.status);
  return {
    status: fault.status,
    headers: { ...usual.headers, ...fault.headers },
    body: fault.body ?? usual.body,
  };
}

const eventStream = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };

async function perform(
  vendor: Vendor,
  received: Received,
  answer: Answer,
  behaviour: Behaviour,
): Promise<void> {
  const fault = behaviour && 'kind' in behaviour ? behaviour : undefined;
  const turn = behaviour && 'words' in behaviour ? behaviour : turnFor(vendor.asked(received));
  if (fault && (await early(vendor, received, answer, fault))) return;
  if (!streams(vendor, received)) {
    const body = vendor.whole(turn, received);
    if (fault?.kind === 'reset' || fault?.kind === 'hang' || fault?.kind === 'cut')
      return half(answer, received, body, fault);
    return answer.whole(200, { 'content-type': 'application/json', 'request-id': madeUp('req_') }, body);
  }
  const huge = fault?.kind === 'huge' ? { ...turn, words: ['x'.repeat(fault.mib * 1024 * 1024)] } : turn;
  answer.head(200, { ...eventStream, 'request-id': madeUp('req_'), 'x-request-id': madeUp('req_') });
  await streamed(vendor, vendor.stream(huge, received), answer, received, fault);
}

const streams = (vendor: Vendor, received: Received): boolean =>
  vendor.streams?.(received) ?? received.json.stream === true;

/** Faults that come before the stream, or instead of it. True when nothing is left to say. */
async function early(vendor: Vendor, received: Received, answer: Answer, fault: Fault): Promise<boolean> {
  if (fault.kind === 'wrong-type') {
    answer.whole(
      200,
      { 'content-type': 'text/html' },
      '<html><body>Sign in to the hotel network</body></html>',
    );
    return true;
  }
  if (fault.kind === 'error-body' || (fault.kind === 'error-event' && !streams(vendor, received))) {
    answer.whole(200, { 'content-type': 'application/json' }, vendor.refusal(500).body);
    return true;
  }
  if ((fault.kind !== 'reset' && fault.kind !== 'hang') || fault.when === 'mid-body') return false;
  if (fault.when === 'after-headers') answer.head(200, eventStream);
  if (fault.kind === 'reset') answer.reset();
  else await received.left;
  return true;
}

async function streamed(
  vendor: Vendor,
  frames: readonly string[],
  answer: Answer,
  received: Received,
  fault: Fault | undefined,
): Promise<void> {
  const at = fault && 'after' in fault && fault.after !== undefined ? vendor.opening + fault.after : -1;
  const whole = fault?.kind === 'missing-end' ? frames.slice(0, -vendor.closing) : frames;
  for (const [index, frame] of whole.entries()) {
    if (answer.gone) return;
    if (fault && index === at && (await interrupt(vendor, answer, received, fault))) return;
    if (fault?.kind === 'drip') await drip(answer, frame);
    else await answer.write(frame);
  }
  answer.end();
}

/** A fault in the middle of a stream. True when the stream ends with it. */
async function interrupt(vendor: Vendor, answer: Answer, received: Received, fault: Fault): Promise<boolean> {
  switch (fault.kind) {
    case 'reset':
      await fault.until;
      answer.reset();
      return true;
    case 'hang':
      await received.left;
      return true;
    case 'pause':
      await Promise.race([fault.until, received.left]);
      return false;
    case 'cut':
      await fault.until;
      if (fault.clean) answer.end();
      else answer.close();
      return true;
    case 'malformed':
      await answer.write('data: {"broken": tru\n\n');
      return false;
    case 'error-event':
      await answer.write(vendor.errorFrame());
      answer.end();
      return true;
    default:
      return false;
  }
}

/** Byte by byte, one turn of the event loop between two, so that characters are cut as well. */
async function drip(answer: Answer, frame: string): Promise<void> {
  for (const byte of Buffer.from(frame)) {
    await answer.write(Uint8Array.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A whole answer that stops in the middle of its body. */
async function half(answer: Answer, received: Received, body: string, fault: Fault): Promise<void> {
  answer.head(200, { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) });
  await answer.write(body.slice(0, body.length / 2));
  if (fault.kind === 'hang') await received.left;
  else if (fault.kind === 'reset') answer.reset();
  else answer.close();
}
