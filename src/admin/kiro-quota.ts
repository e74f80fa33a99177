import { Type } from '@sinclair/typebox';
import { textField } from '../accounts/fields.ts';
import type { Keeper } from '../accounts/logins/keeper.ts';
import type { LiveLogin } from '../accounts/logins/live-login.ts';
import { quotaView } from '../accounts/logins/view.ts';
import { compact, type Json } from '../core/json.ts';
import { failures, parameter } from './docs.ts';
import type { AdminHall, AdminRoute } from './hall.ts';
import { Refusal } from './refusal.ts';

const answer = Type.Object(
  {
    auth_index: Type.String(),
    profile_arn: Type.Optional(Type.String()),
    remaining_quota: Type.Optional(Type.Number({ description: 'Credits of all windows together.' })),
    usage_percentage: Type.Optional(Type.Number()),
    quota_exhausted: Type.Boolean(),
    usage: Type.Array(Type.Object({}, { additionalProperties: true })),
  },
  { additionalProperties: false },
);

/** The credits of one Kiro account, in the reference's words; auth-files has the quota of every login. */
export function kiroQuotaRoutes({ keeper }: AdminHall): readonly AdminRoute[] {
  if (!keeper) return [];
  return [
    {
      method: 'GET',
      path: '/kiro-quota',
      detail: {
        summary: 'What is left of a Kiro account’s credits',
        description: 'Kiro is asked now, at most once a minute. The first account where none is named.',
        parameters: [
          parameter('auth_index', Type.String(), 'As in auth-files, or the name of the login file.'),
        ],
        responses: {
          200: { description: 'As Kiro told last.', content: { 'application/json': { schema: answer } } },
          ...failures(404),
        },
      },
      async work({ query }) {
        const login = kiroLogin(query.get('auth_index'), keeper);
        await keeper.ask(login, true);
        return Response.json(quotaBody(login));
      },
    },
  ];
}

/** @throws Refusal 404 */
function kiroLogin(index: string | null, { files }: Keeper): LiveLogin {
  const logins = files.flatMap(({ login }) => (login?.channel === 'kiro' ? [login] : []));
  const wanted = index === null ? logins[0] : logins.find(({ id, file }) => id === index || file === index);
  if (wanted) return wanted;
  throw new Refusal(
    404,
    'auth not found',
    index === null ? 'There is no login of Kiro.' : `No login of Kiro is "${index.slice(0, 200)}".`,
    'Run `cliproxyapi++ auth login kiro`; GET /v0/management/auth-files lists the logins.',
  );
}

function quotaBody({ id, fields, quota }: LiveLogin): Json {
  const counted = quota.filter(({ limit, remaining }) => limit !== undefined && remaining !== undefined);
  const sum = (of: 'limit' | 'remaining') => counted.reduce((all, window) => all + window[of]!, 0);
  const [limit, remaining] = [sum('limit'), sum('remaining')];
  return compact({
    auth_index: id,
    profile_arn: textField(fields, 'profile_arn'),
    remaining_quota: counted.length > 0 ? remaining : undefined,
    usage_percentage: limit > 0 ? Math.round((1 - remaining / limit) * 10_000) / 100 : undefined,
    quota_exhausted: counted.length > 0 && remaining <= 0,
    usage: quota.map(quotaView),
  });
}
