import { type TSchema, Type } from '@sinclair/typebox';
import type { Place } from '../accounts/logins/roster.ts';
import { type Json, readArray, readObject, readString } from '../core/json.ts';
import { readJson } from './body.ts';
import { editConfig } from './config-edit.ts';
import { failures, jsonBody, parameter } from './docs.ts';
import type { AdminHall, AdminRoute, Visit } from './hall.ts';
import { Refusal } from './refusal.ts';

/** A table of the config with one list for each channel that people sign in to. */
interface Table {
  readonly key: 'oauth-model-alias' | 'oauth-excluded-models';
  /** What a body calls the channel, and its list. */
  readonly channel: string;
  readonly list: string;
  readonly items: TSchema;
  /** One item, as the documentation shows it. */
  readonly example: unknown;
  readonly summary: string;
}

const tables: readonly Table[] = [
  {
    key: 'oauth-excluded-models',
    channel: 'provider',
    list: 'models',
    items: Type.String({ description: 'A pattern; * stands for anything.' }),
    example: 'gpt-5-*',
    summary: 'models that logins never offer',
  },
  {
    key: 'oauth-model-alias',
    channel: 'channel',
    list: 'aliases',
    items: Type.Object({ name: Type.String(), alias: Type.String() }, { additionalProperties: true }),
    example: { name: 'gpt-5', alias: 'best' },
    summary: 'other names for the models of logins',
  },
];

/** The two tables, whole or by channel. A change is written to config.yaml, comments kept, and in effect at once. */
export const oauthTableRoutes = (hall: AdminHall): readonly AdminRoute[] =>
  tables.flatMap((table) => routesOf(table, hall));

const done = Type.Object({ status: Type.String(), persisted: Type.Boolean() });

function routesOf(table: Table, hall: AdminHall): readonly AdminRoute[] {
  const { key, channel, list, items, example, summary } = table;
  const { steward } = hall;
  const whole = Type.Record(Type.String(), Type.Array(items));
  const path = `/${key}`;
  const answers = (schema: TSchema, ...statuses: number[]) => ({
    200: { description: 'Done.', content: { 'application/json': { schema } } },
    ...failures(...statuses),
  });
  return [
    {
      method: 'GET',
      path,
      silent: true,
      detail: {
        summary: `Tells ${summary}`,
        description: `\`${key}\` of config.yaml, by channel. Fields of single login files come before it.`,
        responses: answers(Type.Object({ [key]: whole })),
      },
      work: () => Response.json({ [key]: steward.current.config[key] }),
    },
    {
      method: 'PUT',
      path,
      detail: {
        summary: `Replaces ${summary}`,
        description: 'The table itself, or `{"items": …}`.',
        requestBody: jsonBody(whole, { codex: [example] }),
        responses: answers(done, 400, 422),
      },
      async work({ request }) {
        const sent = await readJson(request);
        const value = readObject(sent['items']) ?? sent;
        return Response.json(await editConfig(steward, [key], () => filled(value)));
      },
    },
    {
      method: 'PATCH',
      path,
      detail: {
        summary: `Replaces ${summary}, for one channel`,
        description: 'An empty list removes it.',
        requestBody: jsonBody(Type.Object({ [channel]: Type.String(), [list]: Type.Array(items) }), {
          [channel]: 'codex',
          [list]: [example],
        }),
        responses: answers(done, 400, 404, 422),
      },
      work: ({ request }) => patch(table, request, hall),
    },
    {
      method: 'DELETE',
      path,
      detail: {
        summary: `Removes ${summary}, for one channel`,
        description: 'The same as sending an empty list.',
        parameters: [parameter(channel, Type.String(), 'The channel, such as codex.', 'codex')],
        responses: answers(done, 400, 404),
      },
      work: (visit) => remove(table, visit, hall),
    },
  ];
}

/** An empty table is no table. */
const filled = (table: Json): Json | undefined => (Object.keys(table).length > 0 ? table : undefined);

async function patch(table: Table, request: Request, hall: AdminHall): Promise<Response> {
  const sent = await readJson(request);
  const name = named(table, readString(sent[table.channel]) ?? readString(sent['provider']));
  const items = readArray(sent[table.list]);
  if (!items)
    throw new Refusal(
      400,
      'invalid body',
      `\`${table.list}\` is missing.`,
      `Send {"${table.channel}": …, "${table.list}": […]}; an empty list removes it.`,
    );
  const known = keyIn(table, name, hall);
  if (items.length === 0 && known === undefined) throw unknown(table, name);
  if (known === undefined && hall.keeper && !hall.keeper.places.some((place) => isNamed(place, name)))
    throw new Refusal(
      400,
      `invalid ${table.channel}`,
      `Nobody signs in to "${name.slice(0, 100)}" here.`,
      `Name one of ${hall.keeper.places.map(({ id }) => id).join(', ')}.`,
    );
  const value = items.length > 0 ? items : undefined;
  return Response.json(await editConfig(hall.steward, [table.key, known ?? name], () => value));
}

async function remove(table: Table, { query }: Visit, hall: AdminHall): Promise<Response> {
  const name = named(table, query.get(table.channel) ?? query.get('provider') ?? undefined);
  const known = keyIn(table, name, hall);
  if (known === undefined) throw unknown(table, name);
  return Response.json(await editConfig(hall.steward, [table.key, known], () => undefined));
}

function named({ channel }: Table, name: string | undefined): string {
  const trimmed = name?.trim().toLowerCase();
  if (trimmed) return trimmed;
  throw new Refusal(
    400,
    `missing ${channel}`,
    'No channel is named.',
    `Name it as \`${channel}\`, such as codex.`,
  );
}

const isNamed = ({ id, steps }: Place, name: string): boolean => id === name || steps.types.includes(name);

/** The key under which the table holds a channel, however it is spelled there. */
const keyIn = ({ key }: Table, name: string, { steward }: AdminHall): string | undefined =>
  Object.keys(steward.current.config[key]).find((known) => known.trim().toLowerCase() === name);

const unknown = ({ key, channel }: Table, name: string) =>
  new Refusal(
    404,
    `${channel} not found`,
    `${key} has nothing for "${name.slice(0, 100)}".`,
    `GET /v0/management/${key} shows what it has.`,
  );
