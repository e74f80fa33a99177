import type { Call } from '../channels/channel.ts';
import { GatewayError } from '../core/error.ts';
import { type ChatEvent, folding, type Reply, unfold, type Usage } from '../core/event.ts';
import { type Json, replaceTopLevel, tryParseObject } from '../core/json.ts';
import { chain, type Machine } from '../core/machine.ts';
import type { UpstreamSide } from '../protocols/protocol.ts';
import { holdsForeignThoughts } from '../protocols/seals.ts';
import { type Answered, passHeaders, readerFor, send, type SendOptions } from '../wire/fetch.ts';
import type { Frame } from '../wire/sse.ts';
import type { Outgoing } from '../wire/way.ts';
import { adaptedBody, directEdit, variantOf } from './direct.ts';
import { echoOf, type Errand } from './errand.ts';
import type { Exchange } from './exchange.ts';
import { fit } from './fit.ts';
import { type Dialect, directLane, translatedLane } from './lane.ts';
import { type Listener, overhear } from './thoughts/overhear.ts';
import { type FittedTools, fitTools } from './tools.ts';
import { payloadOf } from './payload.ts';
import { type Flow, open } from './pipe.ts';
import type { Attempt } from './routing/plan.ts';
import { accepts, judged, refusal } from './refusal.ts';
import { refusesThoughts, withoutThoughts } from './thoughts/refused.ts';
import { type Replay, replay } from './thoughts/replay.ts';
import { timeoutsOf } from './timeouts.ts';

/** What one attempt brought: a whole answer, or a stream that has begun. */
export type Answer =
  | { readonly kind: 'whole'; readonly body: Whole; readonly usage: Usage; readonly headers: Headers }
  | { readonly kind: 'flow'; readonly flow: Flow; readonly headers: Headers };

/** A whole answer as the client gets it: the upstream's own bytes, or text. */
type Whole = string | Uint8Array;

/** One attempt on its way out: how it is said, and what its answer must be told back as. */
interface Passage {
  readonly upstream: UpstreamSide;
  readonly direct: boolean;
  readonly body: string;
  readonly tools: FittedTools | undefined;
  /** What was encoded; undefined on the direct lane. */
  readonly replay: Replay | undefined;
}

/**
 * Sends a request to one upstream and waits until it has answered: a whole reply, or a stream with content in it. When
 * the upstream refuses the thoughts of the history, it is asked once more without them.
 * @throws GatewayError decoded by the upstream's protocol and sharpened by the channel.
 */
export async function attemptChat(errand: Errand, attempt: Attempt): Promise<Answer> {
  for (let passage = encode(errand, attempt); ;) {
    try {
      const response = await say(errand, attempt, passage);
      if (!accepts(errand, attempt, response)) throw await refusal(errand, attempt, response);
      if (errand.hint.stream) return await readStream(errand, attempt, passage, response);
      if (isEventStream(response.headers)) return await streamAsWhole(errand, attempt, passage, response);
      return readWhole(errand, attempt, passage, response.headers, await response.bytes());
    } catch (thrown) {
      passage = withoutRefused(errand, attempt, passage, thrown);
    }
  }
}

function say(errand: Errand, attempt: Attempt, passage: Passage): Promise<Answered> {
  errand.exchange.record.direct = passage.direct;
  const body = payloadOf(passage.body, errand, attempt);
  return exchangeWith(errand, attempt, body, speaksItself(errand, attempt));
}

/**
 * The same request without the thoughts of its history.
 * @throws what was thrown, when it is not about thoughts or there were none.
 */
function withoutRefused(errand: Errand, attempt: Attempt, passage: Passage, thrown: unknown): Passage {
  if (!(thrown instanceof GatewayError) || !refusesThoughts(thrown)) throw thrown;
  const { exchange, tools, drop } = errand;
  const sent = passage.replay?.request;
  const bare = withoutThoughts(sent ?? errand.chat());
  if (bare === sent) throw thrown;
  tools.recall.forget(exchange.tenant ?? '', passage.replay?.recalled ?? []);
  drop('reasoning: the upstream refused that of earlier turns, so it was asked again without');
  return encodeHall(errand, attempt, { request: bare, recalled: new Set() });
}

/** The upstream's side of an attempt. */
function upstreamOf({ protocol }: Attempt): UpstreamSide {
  if (protocol.upstream) return protocol.upstream;
  throw new GatewayError({ kind: 'internal' }, `${protocol.id} cannot be sent upstream.`);
}

function encode(errand: Errand, attempt: Attempt): Passage {
  const { exchange, plan, body } = errand;
  const upstream = upstreamOf(attempt);
  const same = speaksItself(errand, attempt);
  const passes = same && !plan.reasoning && !holdsForeignThoughts(exchange.body, body);
  const own = passes ? adaptedBody(errand, attempt) : undefined;
  if (own === undefined) return encodeHall(errand, attempt, replay(errand, attempt));
  return { upstream, direct: true, body: own, tools: undefined, replay: undefined };
}

/** The client speaks the upstream's own language: its headers and its query mean something there, on either lane. */
const speaksItself = ({ exchange }: Errand, { protocol }: Attempt): boolean =>
  protocol === exchange.protocol && !exchange.route.codec;

/** A request through the hall. */
function encodeHall({ plan, drop }: Errand, attempt: Attempt, said: Replay): Passage {
  const upstream = upstreamOf(attempt);
  const fitted = fit(said.request, attempt.card, plan.reasoning, drop);
  const tools = fitTools(fitted, variantOf(attempt)?.tools ?? upstream.tools, drop);
  const dialect = attempt.connection.dialect === undefined ? {} : { dialect: attempt.connection.dialect };
  const target = { model: attempt.model, card: attempt.card, drop, ...dialect };
  const body = JSON.stringify(upstream.encodeRequest(tools?.request ?? fitted, target));
  return { upstream, direct: false, body, tools, replay: said };
}

/**
 * The HTTP exchange of a chat or a count.
 * @param own the client speaks the upstream's own language, so its headers and its query go along.
 */
export function exchangeWith(
  errand: Errand,
  attempt: Attempt,
  body: Call['body'],
  own: boolean,
): Promise<Answered> {
  const { exchange, client, hint, kind } = errand;
  return dispatch(errand, attempt, {
    operation: kind === 'count-tokens' ? 'count-tokens' : 'chat',
    stream: hint.stream,
    body,
    headers: own ? passHeaders(exchange.headers, client.headers) : new Headers(),
    query: own ? exchange.query.toString() : '',
  });
}

/** What one exchange says, besides who says it. */
export interface Said extends Pick<Call, 'operation' | 'stream' | 'body' | 'headers' | 'query'> {
  /** Bytes of a body that is a stream, where they are known; it travels in chunks otherwise. */
  readonly length?: number;
}

/**
 * The HTTP exchange itself, by the channel's rules. Whoever calls it hears with `accepts` whether the answer is one.
 * @throws GatewayError at once for what the channel cannot send.
 */
export function dispatch(errand: Errand, attempt: Attempt, said: Said): Promise<Answered> {
  const { exchange, config, drop } = errand;
  const { account, model, connection } = attempt;
  const { operation, stream, body, headers, query, length } = said;
  const clientHeaders = exchange.headers;
  const outgoing = connection.prepare({
    account,
    model,
    operation,
    stream,
    body,
    headers,
    clientHeaders,
    query,
    drop,
  });
  if (length !== undefined) outgoing.headers.set('content-length', String(length));
  const options = { signal: exchange.signal, timeouts: timeoutsOf(config) };
  return connection.send ? inItsWay(exchange, attempt, outgoing, options) : send(outgoing, options);
}

/** The exchange of a place that is not one plain HTTP exchange away. */
function inItsWay(
  { line, signal }: Exchange,
  { connection, account }: Attempt,
  outgoing: Outgoing,
  options: SendOptions,
): Promise<Answered> {
  const from = { account, ...(line ? { line } : {}) };
  return connection.send!(outgoing, signal, (again) => send(again, options), from);
}

function readWhole(
  errand: Errand,
  attempt: Attempt,
  passage: Passage,
  headers: Headers,
  bytes: Uint8Array,
): Answer {
  if (passage.direct) return passWhole(attempt, passage, headers, bytes);
  const reply = decodeReply(passage, objectIn(bytes, headers), attempt, headers);
  const heard = overhear(errand, attempt).hearAll(passage.tools?.restoreReply(reply) ?? reply);
  const codec = errand.exchange.route.codec ?? errand.client;
  const told = codec.encodeReply(heard, echoOf(errand, attempt));
  return { kind: 'whole', body: JSON.stringify(told), usage: reply.usage, headers };
}

/** The upstream's own bytes, but for the model's name where the client is shown another. */
function passWhole(attempt: Attempt, passage: Passage, headers: Headers, bytes: Uint8Array): Answer {
  const seen = passage.upstream.glance(bytes);
  const usage = seen ?? decodeReply(passage, objectIn(bytes, headers), attempt, headers).usage;
  const { shownAs } = attempt;
  const body = shownAs === undefined ? bytes : replaceTopLevel(decoder.decode(bytes), 'model', shownAs);
  return { kind: 'whole', body, usage, headers };
}

const decoder = new TextDecoder();

function objectIn(bytes: Uint8Array, headers: Headers): Json {
  const body = tryParseObject(decoder.decode(bytes));
  if (!body) throw notJson(headers);
  return body;
}

function decodeReply(passage: Passage, body: Json, attempt: Attempt, headers: Headers): Reply {
  try {
    return passage.upstream.decodeReply(body);
  } catch (thrown) {
    throw thrown instanceof GatewayError ? judged(thrown, attempt, headers) : thrown;
  }
}

/** Some upstreams stream whatever was asked: then the answer is what the stream folds to. */
async function streamAsWhole(
  errand: Errand,
  attempt: Attempt,
  passage: Passage,
  response: Answered,
): Promise<Answer> {
  const { client, exchange } = errand;
  const folder = folding();
  const listener = overhear(errand, attempt);
  const lane = translatedLane(restoring(passage), {
    encodeStream: () => ({
      push(event) {
        folder.push(listener.hear(event));
        return [];
      },
      end: () => [],
    }),
    closing: '',
  });
  const source = readerFor(response);
  for (let bytes = await source.read(); bytes; bytes = await source.read()) lane.push(bytes);
  lane.end();
  const reply = folder.reply();
  const told = (exchange.route.codec ?? client).encodeReply(reply, echoOf(errand, attempt));
  return { kind: 'whole', body: JSON.stringify(told), usage: reply.usage, headers: response.headers };
}

async function readStream(
  errand: Errand,
  attempt: Attempt,
  passage: Passage,
  response: Answered,
): Promise<Answer> {
  const { headers } = response;
  const dialect = dialectOf(errand, attempt, passage.direct);
  if (isJson(headers)) return wholeAsStream(await response.text(), attempt, passage, dialect, headers);
  if (!isEventStream(headers)) {
    await response.body?.cancel();
    throw notJson(headers);
  }
  const lane = passage.direct
    ? directLane(passage.upstream.decodeStream(), dialect, directEdit(errand, attempt))
    : translatedLane(restoring(passage), dialect);
  try {
    const flow = await open(lane, readerFor(response), errand.config.streaming['hold-seconds'] * 1000);
    return { kind: 'flow', flow, headers };
  } catch (thrown) {
    throw thrown instanceof GatewayError ? judged(thrown, attempt, headers) : thrown;
  }
}

/** How the client is told a stream. It lasts as long as the stream, so it is made where no body is in sight. */
function dialectOf(errand: Errand, attempt: Attempt, direct: boolean): Dialect {
  const { client, exchange } = errand;
  const codec = exchange.route.codec ?? client;
  const encodeStream = () => codec.encodeStream(echoOf(errand, attempt));
  return {
    encodeStream: direct ? encodeStream : () => listening(encodeStream(), overhear(errand, attempt)),
    closing: client.closing,
  };
}

/** Some upstreams answer whole whatever was asked, errors above all: then the stream is what the answer spells. */
function wholeAsStream(
  text: string,
  attempt: Attempt,
  passage: Passage,
  dialect: Dialect,
  headers: Headers,
): Answer {
  const body = tryParseObject(text);
  if (!body) throw notJson(headers);
  const reply = decodeReply(passage, body, attempt, headers);
  const said = unfold(passage.tools?.restoreReply(reply) ?? reply);
  const lane = translatedLane({ push: () => [], end: () => said }, dialect);
  return { kind: 'flow', flow: { lane, held: [...lane.end()], reader: undefined }, headers };
}

/** The upstream's events, with the tools as the client knows them. */
function restoring({ upstream, tools }: Passage): Machine<Frame, ChatEvent> {
  const decode = upstream.decodeStream();
  return tools ? chain(decode, tools.restoreEvents()) : decode;
}

/** The client's side of a stream, with a listener before it. */
const listening = (write: Machine<ChatEvent, Frame>, listener: Listener): Machine<ChatEvent, Frame> => ({
  push: (event) => write.push(listener.hear(event)),
  end: () => write.end(),
});

const eventStream = /event-stream/i;
const json = /\bjson\b/i;

const isEventStream = (headers: Headers) =>
  eventStream.test(headers.get('content-type') ?? 'text/event-stream');
const isJson = (headers: Headers) => json.test(headers.get('content-type') ?? '');

function notJson(headers: Headers): GatewayError {
  const type = headers.get('content-type') ?? 'nothing recognisable';
  return new GatewayError(
    { kind: 'bad-upstream-data' },
    `The upstream answered ${type} instead of its own protocol.`,
    {
      remedy: 'Check the base-url of this provider in config.yaml; a login page or a proxy may be answering.',
    },
  );
}
