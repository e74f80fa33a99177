import { Type } from '@sinclair/typebox';
import { accountId } from '../../src/accounts/account.ts';
import { Pool } from '../../src/accounts/pool/pool.ts';
import { channel } from '../../src/channels/channel.ts';
import { channels as everyChannel } from '../../src/channels/index.ts';
import { buildRuntime } from '../../src/config/build.ts';
import type { Runtime } from '../../src/config/runtime.ts';
import { tryParseObject, type Json } from '../../src/core/json.ts';
import { protocols } from '../../src/protocols/index.ts';
import openaiResponses from '../../src/protocols/openai-responses/index.ts';
import { createRelay } from '../../src/relay/handle.ts';
import { createMemory, type Memory } from '../../src/relay/memory.ts';
import { createApp } from '../../src/server/app.ts';
import { listen } from '../../src/server/listen.ts';
import { Sockets } from '../../src/server/sockets.ts';
import { createState, type State } from '../../src/state/state.ts';
import { createTelemetry } from '../../src/telemetry/create.ts';

/** Two clients of one gateway. */
export const alice = 'sk-alice-0123456789abcdef';
export const bob = 'sk-bob-0123456789abcdefgh';

/** The whole program in this process, with its memory, over the demo channel and a Responses upstream `theirs`. */
export interface Remembering {
  readonly url: string;
  readonly sockets: Sockets;
  readonly memory: Memory;
  readonly upstream: ResponsesUpstream;
  logged(): readonly Record<string, any>[];
  /** Resolves when this line has been logged. */
  line(holds: (line: Record<string, any>) => boolean): Promise<Record<string, any>>;
  /** Another config takes effect. */
  swap(text: string): void;
  post(
    body: Json,
    key?: string,
  ): Promise<{ readonly status: number; readonly json: any; readonly headers: Headers }>;
  ask(method: string, path: string, key?: string): Promise<{ readonly status: number; readonly json: any }>;
  stop(): Promise<void>;
}

export const demo = 'demo: {enabled: true, delay-ms: 0}\n';
export const keys = `api-keys:\n  - ${alice}\n  - ${bob}\n`;

export function remembering(
  more = '',
  states: { readonly durable?: State; readonly volatile?: State } = {},
): Remembering {
  const upstream = responsesUpstream();
  const direct = directChannel(upstream.url);
  const build = (text: string): Runtime =>
    buildRuntime(`${text}direct: {}\n`, {
      file: 'config.yaml',
      environment: {},
      channels: [...everyChannel, direct],
    }).runtime;
  const holder = { current: build(keys + demo + more) };
  const telemetry = createTelemetry({ write: () => undefined, isTerminal: false });
  const waiting = new Set<() => void>();
  const close: typeof telemetry.close = (record) => {
    telemetry.close(record);
    for (const look of waiting) look();
  };
  const fixed = () => Promise.resolve({ outcome: 'unchanged' as const, etag: '' });
  const memory = createMemory(states.durable ?? createState(), states.volatile ?? createState());
  const sockets = new Sockets();
  const app = createApp({
    steward: {
      get current() {
        return holder.current;
      },
      source: { path: undefined, why: 'a test' },
      apply: fixed,
      reload: fixed,
    },
    relay: createRelay({ pool: new Pool(), now: Date.now, log: telemetry.log, memory, close }),
    memory,
    sockets,
    protocols,
    telemetry: { ...telemetry, close },
    readiness: () => ({ ready: true, reasons: [] }),
    live: () => [],
    version: '0',
    startedAt: 0,
  });
  const server = listen(app, holder.current.config, { host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${server.port}`;
  const logged = () =>
    telemetry
      .lines({})
      .lines.map((line) => JSON.parse(line))
      .filter((line) => line.path !== undefined);
  const bearer = (key: string) => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' });
  return {
    url,
    sockets,
    memory,
    upstream,
    logged,
    line: (holds) =>
      new Promise((resolve) => {
        const look = () => {
          const found = logged().find(holds);
          if (!found) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    swap(text) {
      holder.current = build(text);
    },
    async post(body, key = alice) {
      const response = await fetch(`${url}/v1/responses`, {
        method: 'POST',
        headers: bearer(key),
        body: JSON.stringify(body),
      });
      const text = await response.text();
      return { status: response.status, json: tryParseObject(text) ?? text, headers: response.headers };
    },
    async ask(method, path, key = alice) {
      const response = await fetch(url + path, { method, headers: bearer(key) });
      return { status: response.status, json: await response.json() };
    },
    async stop() {
      await server.stop(true);
      await upstream.stop();
    },
  };
}

/** A server of the Responses protocol, which answers what a test says. */
export interface ResponsesUpstream {
  readonly url: string;
  readonly received: Json[];
  /** The answer of the next requests; the usual one when it gives nothing. */
  answer: (body: Json, request: Request) => Response | Promise<Response> | undefined;
  stop(): Promise<void>;
}

export const event = (type: string, fields: Json = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;

export const stream = (body: string | ReadableStream<Uint8Array>): Response =>
  new Response(body, { headers: { 'content-type': 'text/event-stream' } });

/** An assistant's message. */
export const spoken = (id: string, text: string): Json => ({
  type: 'message',
  id,
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text, annotations: [] }],
});

function responsesUpstream(): ResponsesUpstream {
  const received: Json[] = [];
  let answers = 0;
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const body = (await request.json()) as Json;
      received.push(body);
      return (await self.answer(body, request)) ?? usual(body, ++answers);
    },
  });
  const self: ResponsesUpstream = {
    url: `http://127.0.0.1:${server.port}`,
    received,
    answer: () => undefined,
    stop: () => server.stop(true),
  };
  return self;
}

/** Reasoning that nobody but this server could read, and a message. */
function usual(body: Json, number: number): Response {
  const output = [
    { type: 'reasoning', id: `rs_${number}`, summary: [] },
    spoken(`msg_${number}`, `answer ${number}`),
  ];
  const response = {
    id: `resp_theirs_${number}`,
    object: 'response',
    status: 'completed',
    model: body.model,
    previous_response_id: body.previous_response_id ?? null,
    output,
    usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 },
  };
  if (body.stream !== true) return Response.json(response);
  return stream(
    event('response.created', { response: { ...response, status: 'in_progress', output: [] } }) +
      event('response.output_item.done', { output_index: 1, item: output[1] }) +
      event('response.completed', { response }),
  );
}

/** A channel of tests alone: the model `theirs`, whose upstream speaks the clients' own protocol. */
const directChannel = (url: string) =>
  channel({
    id: 'direct',
    settings: { direct: Type.Object({}) },
    open: () => [
      {
        id: 'direct',
        provider: 'direct',
        accounts: [
          {
            id: accountId('direct'),
            provider: 'direct',
            label: 'direct',
            secret: { kind: 'none' },
            priority: 0,
            weight: 1,
            proxy: 'direct',
          },
        ],
        models: { declared: [{ name: 'theirs' }], excluded: [] },
        speaks: () => openaiResponses,
        prepare: ({ body, headers }) => ({ method: 'POST', url, headers, body, proxy: 'direct' }),
      },
    ],
  });
