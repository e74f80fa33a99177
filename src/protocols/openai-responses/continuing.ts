import { GatewayError } from '../../core/error.ts';
import {
  type Json,
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import type { Continuing, Memo } from '../continuing.ts';
import { isReference, isUnreadable, itemsOf, joined } from './transcript.ts';
import { codexDialect } from './wire.ts';

/** How Responses clients continue an answer: `previous_response_id`, `store`, `item_reference`. */
export const continuing: Continuing = {
  path: '/v1/responses',
  // ChatGPT's backend keeps nothing (spec: codex, body).
  remembers: (dialect) => dialect !== codexDialect,
  memo,
  resume(body, { transcript, items }) {
    const { previous_response_id: _, ...rest } = body;
    const next = itemsOf(body.input).map(
      (item) => (isReference(item) ? items.get(idOf(item)) : item) ?? item,
    );
    return { ...rest, input: joined(transcript, next) };
  },
  bare(body) {
    const items = itemsOf(body.input);
    return items.some(isUnreadable) ? { ...body, input: items.filter((item) => !isUnreadable(item)) } : body;
  },
  inputOf: (body) => itemsOf(body.input),
  answerIn({ event, data }) {
    if (event !== 'response.completed' && event !== 'response.incomplete') return undefined;
    return readObject(tryParseObject(data)?.response);
  },
  idOf,
  outputOf: (answer) => readObjects(answer.output),
  encodeInput,
  encodeDeleted: (id) => ({ id, object: 'response', deleted: true }),
  notFound: (id) => previousNotFound(id),
};

function memo(body: Json): Memo {
  const references = readObjects(body.input).filter(isReference).map(idOf);
  return {
    previous: readString(body.previous_response_id) || undefined,
    references,
    keep: body.store !== false,
    refused: refused(body),
  };
}

function idOf(thing: Json): string {
  return readString(thing.id) ?? '';
}

/** What only OpenAI's own servers can do, and why. */
const refusals: Readonly<Record<string, string>> = {
  background: 'The gateway works on a request only while its client waits',
  conversation: 'Conversations are kept by OpenAI, not by the gateway',
  prompt: 'Prompt templates are kept by OpenAI, not by the gateway',
};

function refused(body: Json): GatewayError | undefined {
  const field = Object.keys(refusals).find((name) => body[name] !== undefined && Boolean(body[name]));
  if (field === undefined) return undefined;
  return new GatewayError(
    { kind: 'invalid-request', field, code: 'unsupported_parameter' },
    `${field} cannot be honoured for this model. ${refusals[field]}, and the upstream of this model is another.`,
    {
      remedy: `Leave ${field} out and send the whole input, or continue with previous_response_id, or ask for a model that a Responses upstream serves.`,
    },
  );
}

/** The code that clients look for before they send their whole input again. */
export const previousNotFound = (id: string): GatewayError =>
  new GatewayError(
    { kind: 'invalid-request', field: 'previous_response_id', code: 'previous_response_not_found' },
    `Previous response with id '${id.slice(0, 100)}' not found.`,
    {
      remedy:
        'Send the whole conversation as input. A response is found by the key that asked for it, for a day, unless it was deleted, very large, or made with store: false.',
    },
  );

// --------------------------------------------------------------------------------------------------- its input items

const pageSizes = { usual: 20, most: 100 };

function encodeInput(responseId: string, input: readonly Json[], query: URLSearchParams): Json {
  const order = query.get('order') ?? 'desc';
  if (order !== 'asc' && order !== 'desc') throw invalidQuery('order', 'asc or desc');
  const limit = query.has('limit') ? readNumber(Number(query.get('limit'))) : pageSizes.usual;
  if (limit === undefined || limit < 1 || limit > pageSizes.most) throw invalidQuery('limit', '1 to 100');
  const items = input.map((item, index) => listed(item, responseId, index));
  if (order === 'desc') items.reverse();
  const after = query.get('after');
  const at = after === null ? 0 : items.findIndex((item) => item.id === after) + 1;
  if (after !== null && at === 0) throw invalidQuery('after', 'the id of an item of this list');
  const data = items.slice(at, at + Math.floor(limit));
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: at + data.length < items.length,
  };
}

/** An item as lists show it: with an id, the same one each time, and with its content in parts. */
function listed(item: Json, responseId: string, index: number): Json {
  const { id = `item_${responseId.replace(/^resp_/, '')}_${index}`, type = 'message', content } = item;
  const spoken = item.role === 'assistant' ? 'output_text' : 'input_text';
  const parts = typeof content === 'string' ? [{ type: spoken, text: content }] : content;
  return { ...item, id, type, ...(parts === undefined ? {} : { content: parts }) };
}

const invalidQuery = (field: string, expected: string) =>
  new GatewayError({ kind: 'invalid-request', field }, `${field} must be ${expected}.`, {
    remedy: 'Correct the query of the URL.',
  });
