import {
  compact,
  type Json,
  omit,
  parseObject,
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import type { Heard, Refused, UpstreamSession } from '../upstream-socket.ts';
import { isUnreadable, itemsOf } from './transcript.ts';

/**
 * Responses over a WebSocket to an upstream (spec: codex, websocket transport). A turn is a body with a type; one that
 * goes on from the answer before it names that and brings only what is new, because the connection remembers.
 */

/** What the upstream knows after an answer. */
interface Past {
  readonly id: string;
  /** What was asked and answered up to it, item by item, as marks. */
  readonly marks: readonly bigint[];
}

/** A turn that is being answered. */
interface Turn {
  /** Undefined when only the upstream knows what came before. */
  readonly asked: readonly bigint[] | undefined;
  readonly said: bigint[];
}

/** One connection to an upstream, which has just been opened. */
export function upstreamSession(): UpstreamSession {
  let past: Past | undefined;
  let turn: Turn = { asked: undefined, said: [] };

  function ask(text: string): string {
    const body = parseObject(text);
    const continues = readString(body.previous_response_id);
    const items = readable(itemsOf(body.input));
    const marks = items.map(markOf);
    const known = continues === undefined && past && begins(marks, past.marks) ? past : undefined;
    turn = { asked: continues === undefined ? marks : undefined, said: [] };
    past = undefined;
    const rest = known && { previous_response_id: known.id, input: items.slice(known.marks.length) };
    return JSON.stringify({ type: 'response.create', ...body, ...rest });
  }

  function hear(message: string): Heard {
    const event = tryParseObject(message) ?? {};
    const type = readString(event.type) ?? '';
    if (type === 'error') return failed(event);
    if (type === 'response.output_item.done')
      turn.said.push(...readable([readObject(event.item) ?? {}]).map(markOf));
    const completed = type === 'response.completed' || type === 'response.done';
    if (completed || type === 'response.incomplete') remember(readObject(event.response) ?? {});
    return {
      // What HTTP calls completed is called done here by some.
      frame:
        type === 'response.done'
          ? frameOf({ ...event, type: 'response.completed' })
          : { ...(type === '' ? {} : { event: type }), data: oneLine(message) },
      begins: !type.startsWith('codex.'),
      over: completed || type === 'response.incomplete' || type === 'response.failed',
      headers: type === 'codex.rate_limits' ? limitHeaders(event) : {},
    };
  }

  function remember(response: Json): void {
    const id = readString(response.id);
    const { asked, said } = turn;
    const items = said.length > 0 ? said : readable(readObjects(response.output)).map(markOf);
    past = id !== undefined && asked ? { id, marks: [...asked, ...items] } : undefined;
  }

  return { ask, hear };
}

/** Thoughts without their token are no part of what is compared: a client that keeps them for itself loses nothing. */
const readable = (items: readonly Json[]): readonly Json[] => items.filter((item) => !isUnreadable(item));

/** What an item says, as a number; its id and its status are the server's business. */
const markOf = (item: Json): bigint => BigInt(Bun.hash(JSON.stringify(omit(item, unsaid))));

const unsaid = new Set(['id', 'status']);

const begins = (all: readonly bigint[], first: readonly bigint[]): boolean =>
  all.length > first.length && first.every((mark, index) => mark === all[index]);

/** Outside of its strings, JSON may have line ends; inside it has none. An event of a stream is one line. */
const oneLine = (message: string): string => message.replaceAll(/[\r\n]+/g, ' ');

const frameOf = (event: Json) => ({ event: String(event.type), data: JSON.stringify(event) });

/** An error has a status, and its words at the top, under `error`, or in a body of their own. */
function failed(event: Json): Heard {
  const { body, status_code, headers, ...rest } = event;
  const words = readObject(body) ?? tryParseObject(readString(body) ?? '') ?? rest;
  const error = compact({ ...rest, ...words, type: 'error', status: rest.status ?? status_code });
  const status = readNumber(error.status);
  return {
    frame: frameOf(error),
    begins: true,
    over: true,
    headers: textsOf(headers),
    ...(status === undefined ? {} : { refused: refusedOf(status, words) }),
  };
}

function refusedOf(status: number, words: Json): Refused {
  const code = readString(readObject(words.error)?.code) ?? readString(words.code) ?? '';
  return { status, body: JSON.stringify(words), afresh: connectionFaults.has(code) };
}

const connectionFaults = new Set(['websocket_connection_limit_reached', 'previous_response_not_found']);

const textsOf = (headers: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(readObject(headers) ?? {}).flatMap(([name, value]) =>
      /^[\w-]+$/.test(name) && /^(string|number|boolean)$/.test(typeof value) ? [[name, String(value)]] : [],
    ),
  );

/** How much of a plan is left, in the headers that tell it over HTTP. */
function limitHeaders(event: Json): Readonly<Record<string, string>> {
  const limits = readObject(event.rate_limits) ?? {};
  return Object.fromEntries(
    ['primary', 'secondary'].flatMap((name) => {
      const window = readObject(limits[name]) ?? {};
      return [
        [`x-codex-${name}-used-percent`, readNumber(window.used_percent)],
        [`x-codex-${name}-window-minutes`, readNumber(window.window_minutes)],
        [`x-codex-${name}-reset-at`, readNumber(window.reset_at)],
      ].flatMap(([header, value]) => (value === undefined ? [] : [[header, String(value)]]));
    }),
  );
}
