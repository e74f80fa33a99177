import { GatewayError } from '../../core/error.ts';
import { noUsage } from '../../core/event.ts';
import { newId } from '../../core/id.ts';
import {
  type Json,
  parseObject,
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import { run } from '../../core/machine.ts';
import type { Frame } from '../../wire/sse.ts';
import type { Session, SocketSide, SocketTools, Step } from '../continuing.ts';
import { previousNotFound } from './continuing.ts';
import { decodeRequest } from './decode-request.ts';
import { encodeStream } from './encode-stream.ts';
import { encodeError } from './errors.ts';
import { itemsOf, joined, type Transcript } from './transcript.ts';

/** Responses over a WebSocket: JSON messages instead of POSTs, and stream events as messages. */
export const socket: SocketSide = {
  paths: ['/v1/responses', '/backend-api/codex/responses'],
  open: session,
};

/** How many answers of a connection can be continued. Clients continue the newest, or the one before when it failed. */
const mostRemembered = 8;

/** A turn that is being answered. */
interface Turn {
  /** All that is asked; undefined when only the upstream knows what came before. */
  readonly input: Transcript | undefined;
  readonly continues: string | undefined;
  readonly streamId: string | undefined;
  /** The output items that were said, as JSON; for servers whose last event leaves them out. */
  readonly items: string[];
}

/** What a client asks for, with what it left unsaid put in from before. */
interface Ask {
  readonly body: Json & { readonly model: string };
  readonly input: Transcript;
  readonly previous: string | undefined;
  readonly streamId: string | undefined;
  /** Nothing is to be said yet; what is asked is only made ready. */
  readonly prewarms: boolean;
}

/** One connection. Turns follow each other; their answers are remembered, also those that nobody may store. */
function session({ recall, now }: SocketTools): Session {
  const known = new Map<string, Transcript>();
  let inherited: Json = {};
  let last: string | undefined;
  let turn: Turn | undefined;

  function ask(message: string): Ask {
    const { type, generate, stream_id, input, previous_response_id, ...said } = parseObject(message);
    if (type !== 'response.create' && type !== 'response.append') throw unsupportedType(type);
    const append = type === 'response.append';
    const named = readString(previous_response_id) || undefined;
    const previous = named ?? (append ? last : undefined);
    if (append && previous === undefined) throw nothingToAppendTo();
    const body = { ...inherited, ...said };
    const model = (readString(said.model) ?? readString(inherited.model))?.trim();
    if (!model) throw missingModel();
    const { instructions } = body as Json;
    inherited = instructions === undefined ? { model } : { model, instructions };
    return {
      body: { ...body, model, stream: true },
      input: itemsOf(input),
      previous,
      streamId: readString(stream_id),
      prewarms: generate === false,
    };
  }

  function read(message: string): Step {
    const { body, input, previous, streamId, prewarms } = ask(message);
    const past = previous === undefined ? [] : (known.get(previous) ?? recall(previous));
    const whole = past && joined(past, input);
    if (prewarms) {
      if (!whole) throw previousNotFound(previous ?? '');
      return prewarmed({ ...body, input: whole }, { input: whole, continues: previous, streamId, items: [] });
    }
    turn = { input: whole, continues: whole ? previous : undefined, streamId, items: [] };
    // What neither this connection nor the gateway knows may be known to the upstream.
    const rest = whole ? { input: whole } : { input, previous_response_id: previous };
    return { kind: 'turn', body: { ...body, ...rest }, continues: turn.continues, headers: headersIn(body) };
  }

  /** Nothing is generated, so nobody need be asked: the answer is empty, and can be continued. */
  function prewarmed(body: Json & { readonly model: string }, warm: Turn): Step {
    const { model } = body;
    const request = decodeRequest(body, { model, stream: true });
    const memory = { previous: warm.continues, kept: body.store !== false };
    const createdAt = Math.floor(now() / 1000);
    const echo = { request, model, createdAt, id: '', memory, drop: () => {} };
    const id = newId('resp_prewarm_');
    turn = warm;
    const frames = run(encodeStream(echo), [
      { type: 'start', id, model },
      { type: 'finish', reason: 'end', usage: noUsage },
    ]);
    const messages = frames.flatMap((frame) => tell(frame) ?? []);
    return { kind: 'said', model, messages };
  }

  function tell(frame: Frame): string | undefined {
    if (!turn || frame.data === '[DONE]') return undefined;
    switch (frame.event ?? readString(tryParseObject(frame.data)?.type)) {
      case 'response.output_item.done':
        turn.items.push(frame.data);
        return marked(frame.data, turn);
      case 'response.completed':
      case 'response.incomplete':
      case 'response.done':
        return onEnd(frame.data, turn);
      case 'response.failed':
        return end(marked(frame.data, turn, true));
      case 'error':
        return end(marked(JSON.stringify(errorEvent(frame.data)), turn));
      case 'response.created':
      case 'response.in_progress':
        return marked(frame.data, turn, true);
      default:
        return marked(frame.data, turn);
    }
  }

  function end(message: string): string {
    turn = undefined;
    return message;
  }

  function onEnd(data: string, ended: Turn): string {
    const { input, items } = ended;
    const response = readObject(tryParseObject(data)?.response) ?? {};
    const id = readString(response.id);
    const listed = readObjects(response.output);
    const said = readObjects(items.map((text) => tryParseObject(text)?.item));
    if (id !== undefined) last = id;
    if (id !== undefined && input) remember(id, [...input, ...(listed.length > 0 ? listed : said)]);
    return end(marked(data, ended, true));
  }

  function remember(id: string, transcript: Transcript): void {
    known.delete(id);
    known.set(id, transcript);
    for (const oldest of known.keys()) if (known.size > mostRemembered) known.delete(oldest);
  }

  return {
    read,
    tell,
    fail(error, requestId) {
      const headers = { 'x-request-id': requestId, ...retryAfter(error) };
      const { streamId } = turn ?? {};
      turn = undefined;
      return JSON.stringify({
        type: 'error',
        status: error.status,
        ...encodeError(error, requestId),
        headers,
        ...(streamId === undefined ? {} : { stream_id: streamId }),
      });
    },
    get open() {
      return turn !== undefined;
    },
    remembered: () => known,
  };
}

/** An event with what the upstream could not know: what it continues, and on which of the client's lanes. */
function marked(data: string, { continues, streamId }: Turn, whole = false): string {
  const edits = whole && continues !== undefined;
  if (!edits && streamId === undefined) return data;
  const event = tryParseObject(data);
  if (!event) return data;
  const response = edits
    ? { response: { ...readObject(event.response), previous_response_id: continues } }
    : {};
  return JSON.stringify({
    ...event,
    ...response,
    ...(streamId === undefined ? {} : { stream_id: streamId }),
  });
}

/** An `error` event of a stream has its words at the top; over a WebSocket they stand apart, with a status. */
function errorEvent(data: string): Json {
  const { error, code = null, message = '', param = null, status, sequence_number } = parseObject(data);
  const number = readNumber(status) ?? statusOf(code);
  const type = number === 429 ? 'rate_limit_error' : number >= 500 ? 'server_error' : 'invalid_request_error';
  return {
    type: 'error',
    status: number,
    error: readObject(error) ?? { type, code, message, param },
    ...(sequence_number === undefined ? {} : { sequence_number }),
  };
}

function statusOf(code: unknown): number {
  if (code === 'rate_limit_exceeded') return 429;
  return code === 'server_error' ? 502 : 400;
}

/** Codex tells its state anew with every message, in headers that the upgrade could not have (shapes: codex-ws-02). */
function headersIn(body: Json): Readonly<Record<string, string>> {
  const fields = Object.entries(readObject(body.client_metadata) ?? {});
  return Object.fromEntries(
    fields.filter(
      (field): field is [string, string] =>
        /^x-codex-(?!ws-)[a-z-]+$/.test(field[0]) && /^[\x20-\x7e]+$/.test(readString(field[1]) ?? ''),
    ),
  );
}

const retryAfter = ({ retryAfterMs }: GatewayError) =>
  retryAfterMs === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) };

const unsupportedType = (type: unknown) =>
  new GatewayError(
    { kind: 'invalid-request', field: 'type' },
    `unsupported websocket request type: ${String(type).slice(0, 100)}.`,
    { remedy: 'Send response.create or response.append.' },
  );

const missingModel = () =>
  new GatewayError({ kind: 'invalid-request', field: 'model' }, 'missing model in response.create request.', {
    remedy: 'Name one of the models that GET /v1/models lists.',
  });

const nothingToAppendTo = () =>
  new GatewayError(
    { kind: 'invalid-request', field: 'type' },
    'websocket request received before response.create.',
    { remedy: 'Begin with response.create.' },
  );
