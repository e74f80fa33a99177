import type { ServerWebSocket } from 'bun';
import { readObject, readObjects, tryParseObject, type Json } from '../../src/core/json.ts';
import { vendorWith } from './responses-upstream.ts';
import { turnFor } from './script.ts';
import type { Received } from './wire-server.ts';

/**
 * ChatGPT's own backend on loopback, over HTTP and over WebSockets. It knows access tokens and the account that each
 * belongs to, remembers a conversation only on its socket, and takes nothing that the real one refuses.
 */
export interface CodexUpstream {
  /** Up to and without `/responses`. */
  readonly url: string;
  /** The account of each access token that is good. */
  readonly accounts: Map<string, string>;
  /** What becomes of the next turns, used up in order. */
  readonly next: Trouble[];
  /** Turns that passed every check, and those that did not, in the backend's own words. */
  readonly turns: CodexTurn[];
  readonly refused: string[];
  /** Handshakes and how each ended: the headers, the status, and the socket. */
  readonly handshakes: { readonly headers: Headers; readonly status: number }[];
  /** Answers handshakes with this status. */
  upgrades: number;
  /** Closes every open socket, as a server that is restarted does. */
  hangUp(): void;
  /** Resolves when the upstream has seen a socket close that was not closed by itself. */
  readonly left: Promise<void>;
  reset(): void;
  stop(): Promise<void>;
}

export interface CodexTurn {
  readonly over: 'http' | 'socket';
  /** Which socket, by the order of handshakes. */
  readonly socket?: number;
  readonly body: Json;
  readonly headers: Headers;
}

export type Trouble =
  /** A refusal: an answer over HTTP, an error frame over a socket. */
  | {
      readonly status: number;
      readonly error: Json;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** The socket is closed instead of an answer. */
  | { readonly close: number }
  /** So many frames, and then a failure inside the stream. */
  | { readonly failAfter: number }
  /** The last event is called `response.done`. */
  | { readonly done: true }
  /** So many frames, and then nothing until the promise is kept. */
  | { readonly pauseAfter: number; readonly until: Promise<unknown> };

export const usageLimit = (resetsAt: number): Trouble => ({
  status: 429,
  error: {
    type: 'usage_limit_reached',
    message: 'The usage limit has been reached',
    plan_type: 'plus',
    resets_at: resetsAt,
  },
});

interface Peer {
  readonly number: number;
  readonly headers: Headers;
  /** The conversation up to each answer given on it. */
  readonly memory: Map<string, readonly Json[]>;
}

export const codexToken = 'at-codex-0123456789abcdef';
const codexAccount = 'acct-0123';

const path = '/backend-api/codex/responses';

/** @param known the account of a token that somebody else keeps. */
export function codexUpstream(known?: (token: string) => string | undefined): CodexUpstream {
  const vendor = vendorWith(crypto.randomUUID());
  const accounts = new Map([[codexToken, codexAccount]]);
  const next: Trouble[] = [];
  const turns: CodexTurn[] = [];
  const refused: string[] = [];
  const handshakes: { headers: Headers; status: number }[] = [];
  const peers = new Set<ServerWebSocket<Peer>>();
  let gone = Promise.withResolvers<void>();

  /** Why a request is turned away before it is read; a `detail`, as the backend words it. */
  function stranger(headers: Headers): Response | undefined {
    const token = headers.get('authorization')?.replace(/^Bearer /, '') ?? '';
    const account = known ? known(token) : accounts.get(token);
    if (account === undefined)
      return refusal(401, {
        detail: 'Could not parse your authentication token. Please try signing in again.',
      });
    if (account !== '' && headers.get('chatgpt-account-id') !== account)
      return refusal(403, { detail: 'The account header is missing or names another account.' });
    return undefined;
  }

  const refusal = (status: number, body: Json, headers: Readonly<Record<string, string>> = {}) => {
    refused.push(JSON.stringify(body));
    return Response.json(body, { status, headers });
  };

  const receivedOf = (body: Json, headers: Headers): Received => ({
    method: 'POST',
    url: path,
    path,
    headers,
    body: JSON.stringify(body),
    json: body,
    left: new Promise(() => {}),
    abandoned: false,
  });

  /** The events of an answer, and the items it consists of. */
  function answerTo(body: Json, headers: Headers, trouble: Trouble | undefined): readonly Json[] {
    const received = receivedOf(body, headers);
    const turn = turnFor(vendor.asked(received));
    const events = vendor.stream(turn, received).map((frame) => tryParseObject(frame.split('data: ')[1]!)!);
    const [limits, ...rest] = events;
    const known = {
      ...limits,
      rate_limits: { primary: { used_percent: 12.5, window_minutes: 300, reset_at: 1_900_000_000 } },
    };
    if (!trouble || !('done' in trouble)) return [known, ...rest];
    return [known, ...rest.slice(0, -1), { ...rest.at(-1), type: 'response.done' }];
  }

  /** Sends the events one by one, with what goes wrong between them. @returns whether all were sent. */
  async function play(
    events: readonly Json[],
    trouble: Trouble | undefined,
    send: (event: Json) => void,
  ): Promise<boolean> {
    for (const [index, event] of events.entries()) {
      if (trouble && 'failAfter' in trouble && index === trouble.failAfter) {
        const error = { code: 'server_error', message: 'The model failed in the middle.' };
        send({ type: 'response.failed', response: { id: 'resp_failed', status: 'failed', error } });
        return false;
      }
      if (trouble && 'pauseAfter' in trouble && index === trouble.pauseAfter) await trouble.until;
      send(event);
    }
    return true;
  }

  async function overHttp(request: Request): Promise<Response> {
    const turnedAway = stranger(request.headers);
    if (turnedAway) return turnedAway;
    const body = tryParseObject(await request.text()) ?? {};
    const trouble = next.shift();
    if (trouble && 'status' in trouble)
      return Response.json(
        { error: trouble.error },
        { status: trouble.status, headers: { ...trouble.headers } },
      );
    const fault = vendor.check(receivedOf(body, request.headers));
    if (fault) return refusal(fault.status, tryParseObject(fault.body) ?? {});
    turns.push({ over: 'http', body, headers: request.headers });
    const events = answerTo(body, request.headers, trouble);
    const encoder = new TextEncoder();
    const stream = new ReadableStream<Uint8Array>({
      async start(out) {
        await play(events, trouble, (event) =>
          out.enqueue(encoder.encode(`event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`)),
        );
        out.close();
      },
    });
    return new Response(stream, {
      headers: {
        'content-type': 'text/event-stream',
        'x-codex-primary-used-percent': '12.5',
        'x-codex-primary-window-minutes': '300',
        'x-codex-primary-reset-at': '1900000000',
        'x-codex-secondary-used-percent': '40',
        'x-codex-secondary-window-minutes': '10080',
        'x-codex-secondary-reset-after-seconds': '3600',
      },
    });
  }

  async function compacted(request: Request): Promise<Response> {
    const turnedAway = stranger(request.headers);
    if (turnedAway) return turnedAway;
    const body = tryParseObject(await request.text()) ?? {};
    const {
      status,
      headers,
      body: text,
    } = vendor.other({
      ...receivedOf(body, request.headers),
      path: `${path}/compact`,
    })!;
    return new Response(text, { status, headers: { ...headers } });
  }

  async function overSocket(peer: ServerWebSocket<Peer>, message: string): Promise<void> {
    const { headers, memory, number } = peer.data;
    const send = (event: Json) => void peer.send(JSON.stringify(event));
    const { type, previous_response_id: previous, ...asked } = tryParseObject(message) ?? {};
    const error = (status: number, words: Json, more: Json = {}) =>
      send({ type: 'error', status, error: words, ...more });
    const trouble = next.shift();
    if (trouble && 'close' in trouble) return peer.close(trouble.close, 'so the test says');
    if (trouble && 'status' in trouble)
      return error(trouble.status, trouble.error, { headers: trouble.headers });
    if (type !== 'response.create') return error(400, { message: 'Unknown message type.' });
    const past = typeof previous === 'string' ? memory.get(previous) : [];
    if (!past) {
      refused.push('previous_response_not_found');
      return error(400, { code: 'previous_response_not_found', message: 'Previous response not found.' });
    }
    const body: Json = { ...asked, input: [...past, ...readObjects(asked.input)] };
    const fault = vendor.check(receivedOf(body, headers));
    if (fault) {
      refused.push(fault.body);
      return error(
        fault.status,
        readObject(tryParseObject(fault.body)?.error) ?? tryParseObject(fault.body) ?? {},
      );
    }
    turns.push({ over: 'socket', socket: number, body: tryParseObject(message) ?? {}, headers });
    const events = answerTo(body, headers, trouble);
    if (!(await play(events, trouble, send))) return;
    const items = events.flatMap((event) =>
      event.type === 'response.output_item.done' ? [event.item as Json] : [],
    );
    const id = readObject(events.at(-1)?.response)?.id;
    if (typeof id === 'string') memory.set(id, [...readObjects(body.input), ...items]);
  }

  const self = {
    accounts,
    next,
    turns,
    refused,
    handshakes,
    upgrades: 101,
    hangUp() {
      for (const peer of peers) peer.close(1012, 'restart');
    },
    get left() {
      return gone.promise;
    },
    reset() {
      for (const list of [next, turns, refused, handshakes]) list.length = 0;
      self.upgrades = 101;
      gone = Promise.withResolvers<void>();
    },
  };

  const server = Bun.serve<Peer>({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    fetch(request, serving) {
      const { pathname } = new URL(request.url);
      if (pathname === `${path}/compact`) return compacted(request);
      if (pathname !== path) return refusal(404, { detail: 'Not Found' });
      if (request.headers.get('upgrade') !== 'websocket') return overHttp(request);
      const { headers } = request;
      const status = stranger(headers)?.status ?? self.upgrades;
      handshakes.push({ headers: new Headers(headers), status });
      if (status !== 101) return Response.json({ detail: 'No upgrade.' }, { status });
      if (!headers.get('openai-beta')?.includes('responses_websockets='))
        return refusal(400, { detail: 'The beta header is missing.' });
      const data = { number: handshakes.length, headers: new Headers(headers), memory: new Map() };
      return serving.upgrade(request, { data }) ? undefined : new Response(null, { status: 400 });
    },
    websocket: {
      idleTimeout: 0,
      maxPayloadLength: 64 * 1024 * 1024,
      open: (peer) => void peers.add(peer),
      message: (peer, message) => overSocket(peer, String(message)),
      close(peer) {
        peers.delete(peer);
        gone.resolve();
      },
    },
  });

  return Object.assign(self, {
    url: `http://127.0.0.1:${server.port}${path.replace(/\/responses$/, '')}`,
    stop: () => server.stop(true),
  });
}
