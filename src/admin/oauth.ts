import { Type } from '@sinclair/typebox';
import { absenceOf } from '../accounts/logins/absent.ts';
import type { Keeper } from '../accounts/logins/keeper.ts';
import type { Place } from '../accounts/logins/roster.ts';
import { parametersOf, type Returned, type SignIn, type SignIns } from '../accounts/logins/sign-in.ts';
import type { Way } from '../accounts/steps.ts';
import { GatewayError } from '../core/error.ts';
import { compact, type Json, readString } from '../core/json.ts';
import { readJson } from './body.ts';
import { failures, jsonBody, parameter } from './docs.ts';
import type { AdminHall, AdminRoute, Visit } from './hall.ts';
import { Refusal } from './refusal.ts';

const begun = Type.Object(
  {
    status: Type.Literal('ok'),
    url: Type.String({ description: 'What a person opens.' }),
    state: Type.String({ description: 'Names this sign-in for get-auth-status, for ten minutes.' }),
    user_code: Type.Optional(Type.String({ description: 'What to type there, for a device.' })),
    note: Type.Optional(Type.String()),
  },
  { additionalProperties: true },
);

const standing = Type.Object({
  status: Type.Union([Type.Literal('ok'), Type.Literal('wait'), Type.Literal('error')]),
  error: Type.Optional(Type.String()),
});

const json = (schema: object) => ({ content: { 'application/json': { schema } } });

/** The reference's names of channels, in its routes and bodies. */
const names: Readonly<Record<string, string>> = {
  anthropic: 'claude',
  google: 'gemini-cli',
  gemini: 'gemini-cli',
  github: 'github-copilot',
};

/** Channels of the reference that are left out; their routes say why. */
const leftOut = ['anthropic', 'kimi', 'xai', 'qwen', 'kilo', 'iflow', 'cursor', 'gitlab', 'codebuddy'];

/** Signing in over the management API: begin, ask how it stands, hand over what the browser came back with. */
export function oauthRoutes({ keeper, signIns }: AdminHall): readonly AdminRoute[] {
  if (!keeper || !signIns) return [];
  return [
    ...[...keeper.places.filter(showsAddress).map(({ id }) => id), 'github', 'gemini'].map((name) =>
      beginRoute(name, keeper, signIns),
    ),
    ...leftOut.map(leftOutRoute),
    {
      method: 'GET',
      path: '/get-auth-status',
      silent: true,
      detail: {
        summary: 'How a sign-in stands',
        parameters: [stateParameter],
        responses: { 200: { description: 'How it stands.', ...json(standing) }, ...failures() },
      },
      work: ({ query }) => Response.json(statusOf(signIns.find(query.get('state') ?? ''))),
    },
    {
      method: 'DELETE',
      path: '/oauth-session',
      detail: {
        summary: 'Calls a sign-in off',
        parameters: [stateParameter],
        responses: { 200: { description: 'It is over.' }, ...failures(404) },
      },
      work({ query }) {
        if (signIns.cancel(query.get('state') ?? '')) return Response.json({ status: 'ok' });
        throw new Refusal(
          404,
          'unknown or expired state',
          'There is no such sign-in.',
          'It may be over already.',
        );
      },
    },
    ...(['GET', 'POST'] as const).map((method): AdminRoute => ({
      method,
      path: '/oauth-callback',
      detail: {
        summary: 'Hands over what the browser came back with',
        description: '`redirect_url`, the whole address, or `state` with `code` or `error`; and `provider`.',
        ...(method === 'GET' ? { parameters: cameBack } : { requestBody: cameBackWhole }),
        responses: { 200: { description: 'It is being exchanged.' }, ...failures(400, 404, 409) },
      },
      work: (visit) => callback(method, visit, keeper, signIns),
    })),
  ];
}

const cameBack = ['provider', 'state', 'code'].map((name) =>
  parameter(
    name,
    Type.String(),
    'As the address says that the browser came back to.',
    `$${name.toUpperCase()}`,
  ),
);

const cameBackWhole = jsonBody(
  Type.Object({ provider: Type.String(), redirect_url: Type.String() }, { additionalProperties: true }),
  { provider: 'codex', redirect_url: 'http://localhost:1455/auth/callback?code=CODE&state=STATE' },
);

const stateParameter = {
  ...parameter('state', Type.String(), 'As the beginning said.'),
  required: true,
};

/** What is pasted is uploaded instead. */
const showsAddress = ({ steps }: Place): boolean => steps.ways.some(({ kind }) => kind !== 'paste');

function beginRoute(name: string, keeper: Keeper, signIns: SignIns): AdminRoute {
  const place = placeNamed(name, keeper);
  const ways = place?.steps.ways.map(({ id }) => id) ?? [];
  return {
    method: 'GET',
    path: `/${name}-auth-url`,
    detail: {
      summary: `Begins to sign in to ${place?.id ?? name}`,
      description: `Ways: ${ways.join(', ')}. A way’s own questions are answered by parameters of their names.`,
      parameters: [
        parameter('way', Type.String(), 'The way; the first one when absent.'),
        parameter(
          'proxy_url',
          Type.String(),
          'A proxy for this login alone, signing in included; it is written into its file.',
        ),
      ],
      responses: { 200: { description: 'Begun.', ...json(begun) }, ...failures(400, 502) },
    },
    work: ({ query }) => begin(place, query, signIns),
  };
}

function leftOutRoute(name: string): AdminRoute {
  const { reason, remedy } = absenceOf(names[name] ?? name);
  return {
    method: 'GET',
    path: `/${name}-auth-url`,
    detail: { summary: `Says why there is no sign-in to ${name}`, responses: failures(400) },
    work() {
      throw new Refusal(
        400,
        'unsupported provider',
        `${reason[0]!.toUpperCase()}${reason.slice(1)}.`,
        remedy,
      );
    },
  };
}

const placeNamed = (name: string, { places }: Keeper): Place | undefined =>
  places.find(({ id }) => id === (names[name.toLowerCase()] ?? name.toLowerCase()));

async function begin(place: Place | undefined, query: URLSearchParams, signIns: SignIns): Promise<Response> {
  if (!place) throw new Refusal(404, 'not_found', 'There is no such channel here.', 'Use another version.');
  const way = wayOf(place, query.get('way') ?? query.get('method'));
  try {
    const signIn = await signIns.begin(place, way, {
      answers: Object.fromEntries(query),
      proxyUrl: query.get('proxy_url') ?? '',
    });
    return Response.json(begunBody(signIn));
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    throw new Refusal(
      thrown.status === 400 ? 400 : 502,
      thrown.code,
      thrown.message,
      thrown.remedy ?? 'Try again.',
    );
  }
}

/** The reference's words for the ways of Kiro. */
const methods = new Map([
  ['aws', 'builder-id'],
  ['idc', 'identity-center'],
]);

/** Without a word the first way that shows an address; a token is pasted on the command line. */
function wayOf({ id, steps }: Place, word: string | null): Way {
  const wanted = word === null || word === '' ? undefined : (methods.get(word) ?? word);
  const way = steps.ways.find(({ id, kind }) => (wanted === undefined ? kind !== 'paste' : id === wanted));
  if (way) return way;
  const known = steps.ways.map((each) => each.id).join(', ');
  throw new Refusal(400, 'unknown way', `${id} has no way "${wanted ?? ''}".`, `Use one of ${known}.`);
}

function begunBody({ state, url, userCode, deaf, expiresAt, redirectUri }: SignIn): Json {
  const note =
    deaf && `${deaf}. Send the address that the browser goes to as redirect_url to oauth-callback.`;
  return compact({
    status: 'ok',
    url,
    state,
    user_code: userCode,
    verification_uri: userCode === undefined ? undefined : url,
    redirect_uri: redirectUri,
    expires_in: Math.max(0, Math.round((expiresAt - Date.now()) / 1000)),
    note,
  });
}

/** The reference says `ok` of a state that nobody knows; here it is an error. */
function statusOf(signIn: SignIn | undefined): Json {
  if (!signIn) return { status: 'error', error: 'unknown or expired state' };
  const { status } = signIn;
  if (status.kind === 'failed') return { status: 'error', error: status.reason };
  if (status.kind === 'done') return { status: 'ok', file: status.saved.file, outcome: status.saved.outcome };
  return { status: 'wait' };
}

async function callback(
  method: 'GET' | 'POST',
  { request, query }: Visit,
  keeper: Keeper,
  signIns: SignIns,
): Promise<Response> {
  const sent: Json = method === 'GET' ? Object.fromEntries(query) : await readJson(request);
  const address = readString(sent['redirect_url']);
  const given = Object.fromEntries(Object.entries(sent).filter(([, value]) => typeof value === 'string'));
  const parameters = (address === undefined ? given : { ...given, ...parametersOf(address) }) as Record<
    string,
    string
  >;
  const provider = readString(sent['provider']);
  const place = provider === undefined ? undefined : placeNamed(provider, keeper);
  if (provider !== undefined && !place)
    throw refusal(400, 'unsupported provider', `No channel here is called "${provider.slice(0, 50)}".`);
  const returned = signIns.returned(parameters, place?.id);
  if (returned.kind === 'taken') return Response.json({ status: 'ok' });
  throw refusals[returned.why];
}

const refusal = (status: number, error: string, message: string) =>
  new Refusal(
    status,
    error,
    message,
    'Begin again with …-auth-url, and hand over the address that the browser goes to.',
    {
      fields: { status: 'error' },
    },
  );

type Why = Extract<Returned, { kind: 'refused' }>['why'];

const refusals: Readonly<Record<Why, Refusal>> = {
  'no-state': refusal(400, 'state is required', 'The address has no state.'),
  'no-code': refusal(400, 'code or error is required', 'The address has neither a code nor an error.'),
  unknown: refusal(404, 'unknown or expired state', 'Nobody is waiting for this state.'),
  used: refusal(409, 'oauth flow is not pending', 'This state was used before.'),
  'other-provider': refusal(400, 'provider does not match state', 'The state belongs to another provider.'),
};
