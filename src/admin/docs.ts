import { type TSchema, Type } from '@sinclair/typebox';
import type { Json } from '../core/json.ts';

/** The shape of every management error. */
const errorSchema = Type.Object(
  {
    error: Type.String({ description: 'A stable word or sentence.' }),
    message: Type.String(),
    remedy: Type.String({ description: 'What to do next.' }),
    request_id: Type.String(),
  },
  { additionalProperties: true },
);

const meanings: Readonly<Record<number, string>> = {
  207: 'Some of it was done; `failed` names the rest.',
  400: 'The request cannot be read.',
  401: 'No management key, or a wrong one.',
  403: 'A client key, a foreign web page, or a remote caller while allow-remote is false.',
  404: 'Management is off, or there is no such thing.',
  409: 'It was done before.',
  412: 'If-Match names another version than the current one.',
  413: 'The body is too large.',
  422: 'The configuration has faults; nothing was changed.',
  429: 'Too many wrong keys came from this address.',
  500: 'It failed here.',
  502: 'The provider could not be asked.',
};

/** The error answers of a route: those that every route has, and its own. */
export function failures(...own: readonly number[]): Readonly<Record<number, unknown>> {
  const statuses = [...new Set([401, 403, 404, 429, ...own])].sort((a, b) => a - b);
  const content = { 'application/json': { schema: errorSchema } };
  return Object.fromEntries(statuses.map((status) => [status, { description: meanings[status], content }]));
}

/** A body of JSON. @param example stands in the route's curl line, which sends a file otherwise. */
export const jsonBody = (schema: TSchema, example?: Json) => ({
  required: true,
  content: { 'application/json': { schema, ...(example === undefined ? {} : { example }) } },
});

/**
 * A query parameter that may be left out.
 * @param example makes it part of the route's curl line.
 */
export const parameter = (name: string, schema: TSchema, description: string, example?: string) => ({
  name,
  in: 'query',
  required: false,
  description,
  schema,
  ...(example === undefined ? {} : { example }),
});

/** A part of the path. @param example stands in the route's curl line, which has its name in capitals otherwise. */
export const pathParameter = (name: string, description: string, example?: string) => ({
  ...parameter(name, Type.String(), description, example),
  in: 'path',
  required: true,
});
