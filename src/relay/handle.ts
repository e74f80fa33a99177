import { GatewayError } from '../core/error.ts';
import { parseObject } from '../core/json.ts';
import type { ClientSide } from '../protocols/protocol.ts';
import { render } from '../wire/sse.ts';
import { type Answer, attemptChat } from './attempt.ts';
import { countTokens } from './count.ts';
import { type Desk, echoOf, Errand, type RelayTools } from './errand.ts';
import type { Exchange, Relay } from './exchange.ts';
import { patiently, within } from './patience.ts';
import { type Flow, pipe } from './pipe.ts';
import { plan } from './routing/plan.ts';
import { createRecall } from './thoughts/recall.ts';
import { reframe } from './reframe.ts';
import { attemptRaw, narrowRaw, passOn } from './raw.ts';
import { tryEach } from './routing/rounds.ts';
import { withoutImageTool } from './switched-off.ts';
import { openUpload, type Upload } from './upload.ts';

/** The relay: one client request from top to bottom. This file is the map of the program. */
export function createRelay(given: RelayTools): Relay {
  const tools: Desk = { ...given, recall: createRecall(given.now) };
  return (exchange) => {
    const { client } = exchange.protocol;
    if (!client) throw new GatewayError({ kind: 'internal' }, `${exchange.protocol.id} has no client side.`);
    if (exchange.stream) return upload(exchange, exchange.stream, client, tools);
    const request = begin(exchange, client, tools);
    if (request.kind === 'count-tokens') return count(request);
    if (request.kind === 'raw') return raw(request);
    const answer = tryEach(request, attemptChat);
    if (request.hint.stream) return streamed(request, answer);
    const response = answer.then((come) => whole(request, come));
    const everyMs = request.config['nonstream-keepalive-interval'] * 1000;
    return everyMs > 0 ? patiently(request, response, everyMs) : response;
  };
}

/** Reads what is asked and who may answer it. */
function begin(exchange: Exchange, client: ClientSide, tools: Desk, upload?: Upload): Errand {
  const body = upload ? upload.fields : withoutImageTool(exchange, parseObject(exchange.body));
  const { route, record, runtime } = exchange;
  const hint = route.hint(exchange.params, body, exchange.query);
  record.modelAsked = hint.model;
  record.stream = hint.stream;
  record.bytesIn = Number(exchange.headers.get('content-length')) || Buffer.byteLength(exchange.body);
  const asked = { exchange, client, body, plan: plan(runtime, hint.model) };
  const joined = upload ? asked : (tools.memory?.join(asked) ?? asked);
  return new Errand(joined, tools, hint, upload);
}

async function count(request: Errand): Promise<Response> {
  return finished(request, await countTokens(request));
}

/** A request that nothing but its own endpoint understands. */
async function raw(request: Errand): Promise<Response> {
  narrowRaw(request);
  const answer = await tryEach(request, attemptRaw);
  return reported(request, passOn(request, answer));
}

/** The same for a form, which is sent on while it comes. */
async function upload(
  exchange: Exchange,
  stream: ReadableStream<Uint8Array>,
  client: ClientSide,
  tools: Desk,
): Promise<Response> {
  const form = await openUpload(stream, exchange.headers);
  try {
    return await raw(begin(exchange, client, tools, form));
  } catch (thrown) {
    form.close();
    throw thrown;
  }
}

/** A whole answer as a response. */
function whole(errand: Errand, answer: Answer): Response {
  if (answer.kind !== 'whole')
    throw new GatewayError({ kind: 'internal' }, 'A stream came where an answer was due.');
  const { record } = errand.exchange;
  record.usage = answer.usage;
  record.bytesOut = Buffer.byteLength(answer.body);
  record.firstByteMs = Math.round(performance.now() - record.startedAt);
  const response = new Response(answer.body);
  response.headers.set('content-type', 'application/json');
  return finished(errand, reported(errand, response));
}

/** Closes the books of a request whose answer is complete. */
function finished(errand: Errand, response: Response): Response {
  errand.exchange.record.status = response.status;
  errand.settle();
  return response;
}

/**
 * A streamed answer as a response. An upstream that is silent for longer than the heartbeat must not leave the client
 * without a sign: then the response begins at once, and a failure that comes later is told inside the stream.
 */
async function streamed(errand: Errand, coming: Promise<Answer>): Promise<Response> {
  const heartbeatMs = errand.config.streaming['heartbeat-seconds'] * 1000;
  const flow = coming.then((answer) => flowOf(errand, answer));
  const begun = heartbeatMs > 0 ? await within(flow, heartbeatMs) : await flow;
  errand.exchange.record.early = begun === undefined;
  return stream(errand, begun ?? flow, heartbeatMs);
}

function flowOf(errand: Errand, answer: Answer): Flow {
  if (answer.kind !== 'flow')
    throw new GatewayError({ kind: 'internal' }, 'A whole answer came where a stream was due.');
  errand.begun();
  return answer.flow;
}

function stream(errand: Errand, flow: Flow | Promise<Flow>, heartbeatMs: number): Response {
  const { client, exchange } = errand;
  const { record } = exchange;
  record.status = 200;
  const body = pipe(flow, {
    heartbeat: new TextEncoder().encode(client.heartbeat),
    heartbeatMs,
    fail: (error) => {
      const codec = exchange.route.codec ?? client;
      const frames = [...codec.encodeStream(echoOf(errand, undefined)).push({ type: 'error', error })];
      return [new TextEncoder().encode(frames.map(render).join(''))];
    },
    first: () => {
      record.firstByteMs = Math.round(performance.now() - record.startedAt);
    },
    closed: ({ flow, error, left, bytes }) => {
      record.usage = flow?.lane.seen.finish?.usage;
      record.bytesOut = bytes;
      if (left) record.status = 499;
      if (error) errand.broken = error;
      if (error) record.error = { code: error.code, scope: error.scope, message: error.message };
      errand.settle();
    },
  });
  const framing = errand.hint.framing === 'json-array' ? client.jsonArray?.() : undefined;
  const response = new Response(framing ? reframe(body, framing) : body, { headers: streamHeaders });
  if (framing) response.headers.set('content-type', 'application/json');
  return reported(errand, response);
}

/** `x-accel-buffering` and `no-transform` keep reverse proxies from holding a stream back. */
const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

/**
 * A response with the headers that say what happened on the way, and those of the upstream where they are let through.
 * They are set one by one, because that takes less time than a response made of them.
 */
function reported({ passed, exchange }: Errand, response: Response): Response {
  const { headers } = response;
  const { dropped, provider, modelUsed, attempts } = exchange.record;
  if (passed) for (const [name, value] of passed) if (!headers.has(name)) headers.set(name, value);
  if (provider !== '') headers.set('x-gateway-route', visible(`${provider}/${modelUsed}`));
  if (attempts.length > 0) headers.set('x-gateway-attempts', String(attempts.length));
  if (dropped.size > 0) headers.set('x-gateway-dropped', headerList([...dropped]));
  return response;
}

const headerLimit = 2_000;

/** A list as one header value: visible ASCII only, and never longer than a proxy may refuse. */
function headerList(items: readonly string[]): string {
  const text = items.map(visible).join(', ');
  return text.length <= headerLimit ? text : `${text.slice(0, headerLimit)}...`;
}

const invisible = /[^\x20-\x7e]/g;
const visible = (text: string): string => text.replaceAll(invisible, '?');
