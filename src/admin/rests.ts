import { Type } from '@sinclair/typebox';
import type { Account } from '../accounts/account.ts';
import { readString } from '../core/json.ts';
import { readJson } from './body.ts';
import { failures, jsonBody } from './docs.ts';
import type { AdminHall, AdminRoute } from './hall.ts';
import { Refusal } from './refusal.ts';

/** Everybody, with the providers and hosts that rest as a whole. */
const everybody = '*';

/** Ending rests by hand. */
export function restRoutes(hall: AdminHall): readonly AdminRoute[] {
  return [
    {
      method: 'POST',
      path: '/reset-quota',
      detail: {
        summary: 'Ends the rests of one credential, or of everybody',
        description:
          'A credential that rests after a failure or a used-up quota is asked again at once. One that fails again rests again.',
        requestBody: jsonBody(
          Type.Object({
            auth_index: Type.String({
              description:
                'As in auth-files and models/explain, or the name of a login file; `*` means everybody.',
            }),
          }),
          { auth_index: everybody },
        ),
        responses: {
          200: {
            description: 'Done.',
            content: {
              'application/json': {
                schema: Type.Object({
                  status: Type.String(),
                  auth_index: Type.String(),
                  models: Type.Array(Type.String(), { description: 'What it can serve again.' }),
                  ended: Type.Integer({ description: 'How many rests there were.' }),
                }),
              },
            },
          },
          ...failures(400, 404),
        },
      },
      async work({ request }) {
        const index = readString((await readJson(request)).auth_index)?.trim() ?? '';
        if (index === '')
          throw new Refusal(
            400,
            'invalid body',
            '`auth_index` is missing.',
            'Send {"auth_index": …} as auth-files or models/explain tell it, or "*" for everybody.',
          );
        const accounts = accountsOf(index, hall);
        const ended =
          index === everybody
            ? hall.pool.clear()
            : accounts.reduce((sum, { id }) => sum + hall.pool.clear(id), 0);
        for (const { id } of accounts) hall.entitlements?.forget(id);
        return Response.json({ status: 'ok', auth_index: index, models: modelsOf(accounts, hall), ended });
      },
    },
  ];
}

/** @throws Refusal 404 */
function accountsOf(index: string, { steward, keeper }: AdminHall): readonly Account[] {
  const accounts = steward.current.connections.flatMap((connection) => connection.accounts);
  if (index === everybody) return accounts;
  const loginId = keeper?.find(index)?.login?.id ?? index;
  const meant = accounts.filter(
    ({ id, secret }) => id === index || (secret.kind === 'login' && secret.login.id === loginId),
  );
  if (meant.length > 0) return meant;
  throw new Refusal(
    404,
    'auth not found',
    `No credential in use has the auth_index "${index.slice(0, 200)}".`,
    'GET /v0/management/auth-files lists logins, GET /v0/management/models/explain?id=MODEL whoever serves a model.',
  );
}

function modelsOf(accounts: readonly Account[], { steward }: AdminHall): readonly string[] {
  const { registry } = steward.current;
  const ids = new Set(accounts.map(({ id }) => id));
  const serves = (model: string) =>
    registry.find(model).some((candidate) => candidate.accounts.some(({ id }) => ids.has(id)));
  return registry.list().flatMap(({ id }) => (serves(id) ? [id] : []));
}
