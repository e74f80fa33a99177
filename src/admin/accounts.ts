import { type TSchema, Type } from '@sinclair/typebox';
import type { Account } from '../accounts/account.ts';
import type { Keeper, Kept } from '../accounts/logins/keeper.ts';
import { exclusionView } from '../accounts/logins/view.ts';
import { GatewayError } from '../core/error.ts';
import { compact, type Json, readBoolean, readString } from '../core/json.ts';
import { familyOf } from '../models/catalog.ts';
import { edited } from './account-edits.ts';
import { fileNamed, importVertex, notFound, removeFiles, upload } from './account-files.ts';
import { authFile } from './auth-file.ts';
import { partOf, readJson } from './body.ts';
import { failures, jsonBody, parameter, pathParameter } from './docs.ts';
import type { AdminHall, AdminRoute, Visit } from './hall.ts';
import { switchKey } from './key-status.ts';
import { Refusal } from './refusal.ts';

const anything = Type.Object({}, { additionalProperties: true });
const done = Type.Object({ status: Type.String() }, { additionalProperties: true });

const answers = (schema: TSchema, ...statuses: number[]) => ({
  200: { description: 'Done.', content: { 'application/json': { schema } } },
  ...failures(...statuses),
});

const exampleFile = 'codex-user.json';
const nameParameter = parameter('name', Type.String(), 'The name of the file, as the list has it.');
/** The same where the route is about one file. */
const oneName = { ...nameParameter, example: exampleFile };

/** The files of the auth folder, and what can be done with them. */
export function accountRoutes(hall: AdminHall): readonly AdminRoute[] {
  const { keeper } = hall;
  if (!keeper) return [];
  return [
    {
      method: 'GET',
      path: '/auth-files',
      silent: true,
      detail: {
        summary: 'The login files',
        description: 'Sorted by name, each with its state and what to do about it. No secret is shown.',
        parameters: [
          nameParameter,
          parameter('auth_index', Type.String(), 'The `auth_index` of one of them.'),
          parameter(
            'live',
            Type.Boolean(),
            'Ask the providers first for what is left and for their models; at most once a minute each.',
          ),
        ],
        responses: answers(Type.Object({ files: Type.Array(anything) })),
      },
      work: (visit) => listFiles(visit, keeper, hall),
    },
    {
      method: 'POST',
      path: '/auth-files',
      detail: {
        summary: 'Takes over login files',
        description:
          'A form of files, or one file as the body with `?name=`. The login of an account that is known already is updated, whatever its file is called.',
        parameters: [oneName],
        requestBody: {
          required: true,
          content: { 'application/json': { schema: anything }, 'multipart/form-data': { schema: anything } },
        },
        responses: answers(done, 207, 400, 413),
      },
      work: (visit) => upload(visit, keeper),
    },
    {
      method: 'DELETE',
      path: '/auth-files',
      detail: {
        summary: 'Removes login files',
        parameters: [oneName, parameter('all', Type.String(), '`true` removes every file.')],
        responses: answers(done, 400, 404),
      },
      work: (visit) => removeFiles(visit, keeper),
    },
    {
      method: 'GET',
      path: '/auth-files/download',
      detail: {
        summary: 'One login file with its secrets',
        description: '**The answer holds tokens**: treat it like the file.',
        parameters: [oneName],
        responses: answers(anything, 404),
      },
      work({ query }) {
        const { entry, name } = fileNamed(query.get('name'), keeper);
        if (!entry.file) throw notFound(name);
        const quoted = name
          .split('/')
          .at(-1)!
          .replaceAll(/[^\w@.+-]/g, '_');
        return new Response(`${JSON.stringify(entry.file.fields, null, 2)}\n`, {
          headers: {
            'content-type': 'application/json',
            'content-disposition': `attachment; filename="${quoted}"`,
          },
        });
      },
    },
    {
      method: 'GET',
      path: '/auth-files/models',
      detail: {
        summary: 'The models of one login',
        parameters: [oneName],
        responses: answers(Type.Object({ models: Type.Array(anything) }), 404),
      },
      work: ({ query }) => Response.json({ models: modelsOf(fileNamed(query.get('name'), keeper), hall) }),
    },
    {
      method: 'PATCH',
      path: '/auth-files/status',
      detail: {
        summary: 'Takes a login or a key out of use, and back',
        description:
          'A login by the `name` or the `auth_index` that auth-files tells. A key by the `auth_index` that models/explain tells: all models of its entry in config.yaml are excluded, and `via` says so.',
        requestBody: jsonBody(
          Type.Object({
            name: Type.Optional(Type.String()),
            auth_index: Type.Optional(Type.String()),
            disabled: Type.Boolean(),
          }),
          { name: exampleFile, disabled: true },
        ),
        responses: answers(done, 400, 404, 422),
      },
      async work({ request }) {
        const sent = await readJson(request);
        const disabled = readBoolean(sent['disabled']);
        if (disabled === undefined)
          throw new Refusal(
            400,
            'invalid body',
            '`disabled` is missing.',
            'Send {"name": …, "disabled": true}.',
          );
        const index = readString(sent['auth_index']) ?? readString(sent['name']) ?? '';
        const kept = keeper.files.find(({ name, login }) => name === index || login?.id === index);
        const switched = kept ? undefined : await switchKey(hall, index, disabled);
        if (switched) return Response.json(switched);
        await change(kept?.name ?? index, keeper, (fields) => ({ ...fields, disabled }));
        return Response.json({ status: 'ok', disabled });
      },
    },
    {
      method: 'PATCH',
      path: '/auth-files/fields',
      detail: {
        summary: 'Changes single fields of a login file',
        description:
          'Keys are field names or dotted paths; an empty text removes a field. `headers` is merged. Tokens are for renewal and sign-in to change.',
        requestBody: jsonBody(Type.Object({ name: Type.String() }, { additionalProperties: true }), {
          name: exampleFile,
          priority: 1,
        }),
        responses: answers(done, 400, 404),
      },
      async work({ request }) {
        const { name, ...changes } = await readJson(request);
        await change(readString(name), keeper, (fields) => edited(fields, changes));
        return Response.json({ status: 'ok' });
      },
    },
    {
      method: 'GET',
      path: '/model-definitions/:channel',
      detail: {
        summary: 'What the catalogue knows of a channel’s models',
        parameters: [pathParameter('channel', 'The channel, or the family of its models.', 'codex')],
        responses: answers(Type.Object({ channel: Type.String(), models: Type.Array(anything) }), 400),
      },
      work({ request }) {
        const channel = partOf(request).toLowerCase();
        const family = families[channel] ?? channel;
        const models = familyOf(family).map(({ card }) => card);
        if (models.length === 0)
          throw new Refusal(
            400,
            'unknown channel',
            `The catalogue has no models of "${channel}".`,
            'Name a channel such as codex, claude or gemini.',
          );
        return Response.json({ channel, models });
      },
    },
    {
      method: 'POST',
      path: '/vertex/import',
      detail: {
        summary: 'Takes over a Google service account',
        description: 'A form with `file`, the JSON key, and `location`, us-central1 when absent.',
        requestBody: { required: true, content: { 'multipart/form-data': { schema: anything } } },
        responses: answers(done, 400),
      },
      work: (visit) => importVertex(visit, keeper),
    },
    {
      method: 'POST',
      path: '/auths/:provider/refresh',
      detail: {
        summary: 'Renews every login of a channel now',
        parameters: [pathParameter('provider', 'The channel that the logins are of.', 'codex')],
        responses: answers(done, 404),
      },
      work: ({ request }) => refresh(partOf(request, 2).toLowerCase(), keeper),
    },
  ];
}

/** The catalogue's word for the models of a channel, where it is another. */
const families: Readonly<Record<string, string>> = {
  codex: 'openai',
  vertex: 'gemini',
  'gemini-cli': 'gemini',
};

async function listFiles({ query }: Visit, keeper: Keeper, hall: AdminHall): Promise<Response> {
  const name = query.get('name');
  const index = query.get('auth_index');
  const wanted = keeper.files.filter(
    (kept) =>
      (name === null || kept.name === name) && (index === null || (kept.login?.id ?? kept.name) === index),
  );
  if (/^(1|true)$/i.test(query.get('live') ?? ''))
    await Promise.all(wanted.map(({ login }) => login && keeper.ask(login, true)));
  return Response.json({ files: wanted.map((kept) => authFile(kept, hall)) });
}

async function change(name: string | undefined, keeper: Keeper, edit: (fields: Json) => Json): Promise<void> {
  const kept = fileNamed(name, keeper);
  const patched = await keeper.patch(kept.name, edit);
  if (patched.kind === 'gone') throw notFound(kept.name);
  if (patched.kind === 'refused')
    throw new Refusal(
      500,
      'write_failed',
      `The file could not be written: ${patched.reason}.`,
      'Make the auth folder writable.',
    );
}

/** The models that a login offers, and which of them its plan leaves out, as far as that was learned. */
function modelsOf({ login }: Kept, { steward, entitlements }: AdminHall): readonly Json[] {
  if (!login) return [];
  const { registry } = steward.current;
  const isIts = ({ secret }: Account) => secret.kind === 'login' && secret.login.id === login.id;
  return registry.list().flatMap(({ id, displayName, ownedBy }) => {
    const serving = registry.find(id).filter(({ accounts }) => accounts.some(isIts));
    if (serving.length === 0) return [];
    const excluded = serving.flatMap(({ model, accounts }) =>
      accounts
        .filter(isIts)
        .flatMap((account) => entitlements?.of(account.id) ?? [])
        .filter((each) => each.model === model),
    )[0];
    return [
      compact({
        id,
        display_name: displayName,
        type: login.channel,
        owned_by: ownedBy,
        not_entitled: excluded && exclusionView(excluded),
      }),
    ];
  });
}

async function refresh(channel: string, keeper: Keeper): Promise<Response> {
  const kept = keeper.files.filter(({ login }) => login?.channel === channel && !login.disabled);
  if (kept.length === 0)
    throw new Refusal(
      404,
      'not_found',
      `There is no login of "${channel}".`,
      'GET /v0/management/auth-files lists them.',
    );
  const results = await Promise.all(
    kept.map(({ name, login }) =>
      keeper.renew(login!).then(
        () => ({ name, status: 'ok' }),
        (thrown: unknown) => ({
          name,
          status: 'error',
          error: thrown instanceof GatewayError ? thrown.advice : String(thrown),
        }),
      ),
    ),
  );
  return Response.json({ status: results.every(({ status }) => status === 'ok') ? 'ok' : 'error', results });
}
