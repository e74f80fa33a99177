import { decodeBytes } from '../support/wires.ts';
import { fold } from '../../src/core/event.ts';
import { type Json, readArray, tryParseObject } from '../../src/core/json.ts';
import { run } from '../../src/core/machine.ts';
import { protocols } from '../../src/protocols/index.ts';
import type { Protocol } from '../../src/protocols/protocol.ts';
import { frames } from '../../src/wire/sse.ts';
import { standing, type Standing } from '../relay/support.ts';
import { keyOf, type Fault, type Simulator } from '../support/simulator.ts';
import { anthropicUpstream, geminiUpstream, openaiUpstream, responsesUpstream } from '../support/upstream.ts';
import { terminals } from '../support/wires.ts';

/**
 * The whole gateway in this process, in front of a provider of each wire with two keys, and of a spare one that stands
 * in for all of them. Silence is over after a fifth of a second, and rests go by a clock that the test moves.
 */
export interface Desk {
  readonly it: Standing;
  /** The provider of a wire. */
  readonly providers: Readonly<Record<string, Simulator>>;
  readonly spare: Simulator;
  /** The clock that rests go by, and how to move it. */
  now(): number;
  later(ms: number): void;
  /** Forgets what the providers saw and were to do. */
  reset(): void;
  stop(): Promise<void>;
}

export const keys = ['sk-upstream-first-0123456789', 'sk-upstream-second-9876543210'] as const;

/** The model of the provider of a wire. */
export const models: Readonly<Record<string, string>> = {
  'openai-chat': 'gpt-sim',
  'openai-responses': 'resp-sim',
  'anthropic-messages': 'claude-sim',
  gemini: 'gemini-3-sim',
};

/** Another model of the same keys, which shows whether a failure concerns a model or its credential. */
export const second = (model: string): string => `${model}-2`;

const offered = (model: string) => `[{name: ${model}}, {name: ${second(model)}}]`;

/**
 * @param withSpare lets the spare provider answer for the others.
 * @param more of config.yaml.
 * @param rules on the errors of the Chat provider.
 */
export function desk(withSpare: boolean, more = '', rules: readonly string[] = []): Desk {
  const providers = {
    'openai-chat': openaiUpstream(),
    'openai-responses': responsesUpstream(),
    'anthropic-messages': anthropicUpstream(),
    gemini: geminiUpstream(),
  };
  const spare = openaiUpstream();
  const all = [...Object.values(providers), spare];
  for (const simulator of all) for (const key of keys) simulator.keys.add(key);
  let nowMs = Date.now();
  const it = standing(configOf(providers, spare, withSpare, rules) + more, [], undefined, () => nowMs);
  return {
    it,
    providers,
    spare,
    now: () => nowMs,
    later: (ms) => {
      nowMs += ms;
    },
    reset: () => all.forEach((simulator) => simulator.reset()),
    async stop() {
      await it.stop();
      for (const simulator of all) simulator.stop();
    },
  };
}

function configOf(
  providers: Readonly<Record<string, Simulator>>,
  spare: Simulator,
  withSpare: boolean,
  rules: readonly string[],
): string {
  const keyed = (setting: string, id: string, path = '') => [
    `${setting}:`,
    ...keys.map(
      (key) =>
        `  - {api-key: ${key}, base-url: "${providers[id]!.url}${path}", models: ${offered(models[id]!)}}`,
    ),
  ];
  const listed = keys.map((key) => `{api-key: ${key}}`).join(', ');
  const compatible = (name: string, { url }: Simulator, model: string) =>
    `  - {name: ${name}, base-url: "${url}/v1", api-key-entries: [${listed}], models: ${model}, request-scoped-errors: [${rules.join(', ')}]}`;
  const fallbacks = Object.values(models).map((model) => `  ${model}: [spare]`);
  return [
    'openai-compatibility:',
    compatible('sim', providers['openai-chat']!, offered('gpt-sim')),
    compatible('spare', spare, '[{name: spare-sim, alias: spare}]'),
    ...keyed('claude-api-key', 'anthropic-messages'),
    ...keyed('codex-api-key', 'openai-responses', '/v1'),
    ...keyed('gemini-api-key', 'gemini'),
    'timeouts: {connect-seconds: 2, first-byte-seconds: 0.2, gap-seconds: 0.2}',
    'streaming: {heartbeat-seconds: 0}',
    ...(withSpare ? ['fallbacks:', ...fallbacks] : []),
    '',
  ].join('\n');
}

/** Whose client asks for whose model. The first four pass through, the others are translated. */
export interface Direction {
  readonly client: Protocol;
  readonly upstream: string;
}

const ids = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini'];
const protocolOf = (id: string) => protocols.find((protocol) => protocol.id === id)!;

export const directions: readonly Direction[] = [0, 1].flatMap((step) =>
  ids.map((id, index) => ({ client: protocolOf(id), upstream: ids[(index + step) % ids.length]! })),
);

export const named = ({ client, upstream }: Direction): string => `${client.id} client, ${upstream} upstream`;

/** What a client saw. */
export interface Seen {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** What the model said, as a client of this protocol reads it. */
  readonly said: string;
  /** Of a stream: how many terminal events there were, and the last one. */
  readonly ending: { readonly count: number; readonly last: string };
  /** The error, in the protocol's own shape; undefined when there is none. */
  readonly error: Json | undefined;
}

/** A request of a direction in its client's own words. */
export function ask(
  { it }: Pick<Desk, 'it'>,
  { client, upstream }: Direction,
  text: string,
  stream: boolean,
  model = models[upstream]!,
): Promise<Response> {
  if (client.id === 'gemini') {
    const verb = stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
    return it.post(
      `/v1beta/models/${model}:${verb}`,
      JSON.stringify({ contents: [{ role: 'user', parts: [{ text }] }] }),
      json,
    );
  }
  const messages = [{ role: 'user', content: text }];
  const [path, body] = {
    'openai-chat': ['/v1/chat/completions', { messages }],
    'openai-responses': ['/v1/responses', { input: text }],
    'anthropic-messages': ['/v1/messages', { messages, max_tokens: 1_000 }],
  }[client.id] as [string, Json];
  return it.post(path, JSON.stringify({ model, stream, ...body }), json);
}

const json = { headers: { 'content-type': 'application/json' } };

/**
 * Reads an answer to its end.
 * @param watch shown the text so far, whenever more of it comes.
 */
export async function see(
  client: Protocol,
  response: Response,
  watch?: (text: string) => unknown,
): Promise<Seen> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    watch?.(Buffer.concat(chunks).toString());
  }
  const text = Buffer.concat(chunks).toString();
  const streamed = /event-stream/.test(response.headers.get('content-type') ?? '');
  const sent = streamed ? run(frames(), chunks) : [];
  const failed = sent.map(({ data }) => errorIn(tryParseObject(data))).find(Boolean);
  const { status, headers } = response;
  return {
    status,
    headers,
    text,
    said: streamed ? saidIn(client, chunks) : wholeSaid(client, text),
    ending: streamed ? terminals(client, sent) : { count: 0, last: 'none' },
    error: streamed ? failed : errorIn(tryParseObject(text)),
  };
}

function errorIn(body: Json | undefined): Json | undefined {
  const failed = body?.type === 'response.failed' ? (body.response as Json).error : body?.error;
  return (failed ?? (body?.type === 'error' ? body : undefined)) as Json | undefined;
}

const textOf = (parts: readonly { kind: string; text?: string }[]) =>
  parts.map((part) => (part.kind === 'text' ? part.text : '')).join('');

function saidIn(client: Protocol, chunks: readonly Uint8Array[]): string {
  const events = decodeBytes(client, ...chunks).filter(({ type }) => type !== 'error');
  const texts = events.map((event) => (event.type === 'block-delta' ? event.text : ''));
  return events.at(-1)?.type === 'finish' ? textOf(fold(events).parts) : texts.join('');
}

function wholeSaid(client: Protocol, text: string): string {
  const body = tryParseObject(text);
  const answers = readArray(body?.choices ?? body?.output ?? body?.content ?? body?.candidates);
  return body && answers ? textOf(client.upstream!.decodeReply(body).parts) : '';
}

/** Asks and reads in one. */
export const exchange = async (
  at: Desk,
  direction: Direction,
  text: string,
  stream: boolean,
  model?: string,
): Promise<Seen> => see(direction.client, await ask(at, direction, text, stream, model));

/** Which of the keys each request to a provider came with: 1 or 2. */
export const keysUsed = ({ received }: Simulator): readonly number[] =>
  received.map((request) => keys.indexOf(keyOf(request) as (typeof keys)[number]) + 1);

/** What befalls an answer that has begun. */
export const midway: readonly (readonly [string, Fault])[] = [
  ['8: an answer that is cut early', { kind: 'cut', after: 2, clean: true }],
  ['8: an answer that breaks early', { kind: 'reset', when: 'mid-body', after: 2 }],
  ['9: an answer that is cut late', { kind: 'cut', after: 7, clean: true }],
  ['10: an answer that stalls', { kind: 'hang', when: 'mid-body', after: 3 }],
  ['11: a malformed chunk', { kind: 'malformed', after: 3 }],
  ['an error inside the stream', { kind: 'error-event', after: 3 }],
];

/** A refusal with a vendor's own words. */
export const refuses = (
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Fault => ({
  kind: 'status',
  status,
  body: typeof body === 'string' ? body : JSON.stringify(body),
  headers: { 'retry-after': '', 'content-type': 'application/json', ...headers },
});
