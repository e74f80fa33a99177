import { readArray, readObject, readObjects, tryParseObject, type Json } from '../../src/core/json.ts';
import { oauthServer } from './oauth-server.ts';
import { simulatorKey } from './simulator.ts';
import { anthropicUpstream, openaiUpstream, responsesUpstream, type Simulator } from './upstream.ts';

export interface CopilotSeen {
  readonly path: string;
  readonly headers: Headers;
  readonly body: Json;
}

/** An answer instead of the ordinary one. */
export interface CopilotTrouble {
  readonly status: number;
  readonly body: Json;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * GitHub with Copilot on loopback: its device flow, which tells errors with HTTP 200, its own API, and the API that
 * answers chats in three protocols behind short-lived tokens. What the real ones refuse, it refuses.
 */
export function copilotUpstream({ slowDowns = 0 } = {}) {
  const provider = oauthServer({
    clientId: 'Iv1.b507a08c87ecfe98',
    rotate: false,
    slowDowns,
    interval: 0.05,
    errorsWith200: true,
    lifetime: 10 * 365 * 86_400,
  });
  const wires = { chat: openaiUpstream(), messages: anthropicUpstream(), responses: responsesUpstream() };
  const sessions = new Map<string, boolean>();
  const accepted: CopilotSeen[] = [];
  /** What its checks refused: a gateway must never cause one by itself. */
  const refused: string[] = [];
  const next: CopilotTrouble[] = [];
  const sessionNext: CopilotTrouble[] = [];
  const life = { seconds: 1500 };
  const about = { user: plan };

  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const text = await request.text();
      return pathname.startsWith('/github/')
        ? github(request, pathname.slice('/github'.length))
        : api(request, pathname.slice('/api'.length), text);
    },
  });
  const url = `http://127.0.0.1:${server.port}`;

  function github({ headers }: Request, path: string): Response {
    const token = /^token (.+)$/.exec(headers.get('authorization') ?? '')?.[1] ?? '';
    if (provider.check(token) !== 'live')
      return Response.json({ message: 'Bad credentials' }, { status: 401 });
    const missing = missingHeader(headers);
    if (missing) return refuse(missing);
    if (path === '/user') return Response.json({ login: 'Octo-Person', id: 1, email: null });
    if (path === '/copilot_internal/user') return Response.json(about.user);
    if (path !== '/copilot_internal/v2/token')
      return Response.json({ message: 'Not Found' }, { status: 404 });
    const trouble = sessionNext.shift();
    if (trouble) return answer(trouble);
    const session = `tid=${crypto.randomUUID()};exp=1`;
    sessions.set(session, true);
    return Response.json({
      token: session,
      expires_at: Math.floor(Date.now() / 1000) + life.seconds,
      refresh_in: life.seconds - 300,
      endpoints: { api: `${url}/api` },
    });
  }

  async function api(request: Request, path: string, text: string): Promise<Response> {
    const { headers } = request;
    const session = headers.get('authorization')?.replace(/^Bearer /, '') ?? '';
    if (!sessions.get(session))
      return new Response('unauthorized: token expired\n', {
        status: 401,
        headers: { 'content-type': 'text/plain' },
      });
    const missing = missingHeader(headers);
    if (missing) return refuse(missing);
    if (path === '/models') return Response.json({ object: 'list', data: list });
    const trouble = next.shift();
    if (trouble) return answer(trouble);
    const body = tryParseObject(text) ?? {};
    const fault = bodyFault(path, headers, body);
    if (fault) return refuse(fault);
    accepted.push({ path, headers, body });
    return forwarded(path, headers, text);
  }

  /** The vendor's own checks and answers, behind this API's addresses. */
  async function forwarded(path: string, headers: Headers, text: string): Promise<Response> {
    const wire: Simulator =
      wires[path === '/responses' ? 'responses' : path === '/v1/messages' ? 'messages' : 'chat'];
    const target = path.startsWith('/v1/') ? path : `/v1${path}`;
    const anthropic = headers.get('anthropic-version');
    const response = await fetch(wire.url + target, {
      method: 'POST',
      body: text,
      headers: {
        'content-type': 'application/json',
        ...(anthropic === null
          ? { authorization: `Bearer ${simulatorKey}` }
          : { 'x-api-key': simulatorKey, 'anthropic-version': anthropic }),
      },
    });
    return new Response(response.body, {
      status: response.status,
      headers: { 'content-type': response.headers.get('content-type') ?? '' },
    });
  }

  function refuse(message: string): Response {
    refused.push(message);
    return Response.json({ error: { message, code: 'bad_request' } }, { status: 400 });
  }

  return {
    provider,
    accepted,
    next,
    sessionNext,
    life,
    /** What it tells of the account's plan. */
    about,
    /** What it and the vendors behind it refused. */
    get refused() {
      return [...refused, ...Object.values(wires).flatMap((wire) => wire.refused)];
    },
    get sessions() {
      return sessions.size;
    },
    /** Ends every session there is; GitHub's tokens stay good. */
    expireSessions() {
      for (const session of sessions.keys()) sessions.set(session, false);
    },
    endpoints: {
      device: provider.endpoints.device,
      token: provider.endpoints.token,
      github: `${url}/github`,
    },
    async stop() {
      for (const wire of Object.values(wires)) wire.stop();
      await Promise.all([server.stop(true), provider.stop()]);
    },
  };
}

export type CopilotUpstream = ReturnType<typeof copilotUpstream>;

const answer = ({ status, body, headers }: CopilotTrouble): Response =>
  Response.json(body, { status, headers: { ...headers } });

function missingHeader(headers: Headers): string | undefined {
  const wanted = [
    'editor-version',
    'editor-plugin-version',
    'x-github-api-version',
    'copilot-integration-id',
  ];
  const missing = wanted.find((name) => !headers.get(name));
  if (missing) return `missing ${missing} header for IDE auth`;
  return headers.get('copilot-integration-id') === 'vscode-chat'
    ? undefined
    : 'unknown Copilot-Integration-Id';
}

function bodyFault(path: string, headers: Headers, body: Json): string | undefined {
  const row = list.find(({ id }) => id === body.model);
  if (!row) return 'The requested model is not supported.';
  if (row.supported_endpoints && !row.supported_endpoints.includes(path))
    return `model "${row.id}" is not accessible via the ${path} endpoint`;
  if (!['user', 'agent'].includes(headers.get('x-initiator') ?? '')) return 'no X-Initiator';
  const pictured = /"type":"(?:image|image_url|input_image)"/.test(JSON.stringify(body));
  if (pictured !== (headers.get('copilot-vision-request') === 'true'))
    return 'missing required Copilot-Vision-Request header for vision requests';
  if (path === '/responses' && body.service_tier !== undefined) return 'Unsupported parameter: service_tier';
  if (path !== '/chat/completions') return undefined;
  if (readObject(body.tool_choice)) return 'tool_choice must be a string';
  const listed = readObjects(body.messages).some(
    ({ role, content }) => role === 'assistant' && readArray(content),
  );
  return listed ? 'assistant content must be a string' : undefined;
}

interface Row extends Json {
  readonly id: string;
  readonly supported_endpoints?: readonly string[];
}

const row = (id: string, endpoints: readonly string[] | undefined, more: Json = {}): Row => ({
  id,
  name: id.toUpperCase(),
  object: 'model',
  ...(endpoints ? { supported_endpoints: endpoints } : {}),
  capabilities: {
    type: 'chat',
    limits: { max_context_window_tokens: 128_000, max_output_tokens: 16_000 },
    supports: {
      vision: true,
      streaming: true,
      tool_calls: true,
      reasoning_effort: ['low', 'medium', 'high'],
    },
  },
  ...more,
});

const list: readonly Row[] = [
  row('gpt-4.1', undefined),
  row('gpt-5-mini', ['/chat/completions', '/responses']),
  row('gpt-5-codex', ['/responses']),
  row('gpt-9-only', ['/responses']),
  row('claude-sonnet-4.5', ['/chat/completions', '/v1/messages']),
  row('text-embedding-3-small', undefined, { capabilities: { type: 'embeddings' } }),
  row('gpt-off', undefined, { policy: { state: 'disabled' } }),
];

const plan: Json = {
  login: 'Octo-Person',
  copilot_plan: 'individual',
  quota_reset_date_utc: '2027-01-01T00:00:00.000Z',
  quota_snapshots: {
    chat: { unlimited: true, entitlement: 0, remaining: 0, percent_remaining: 100 },
    premium_interactions: {
      unlimited: false,
      entitlement: 300,
      remaining: 225,
      quota_remaining: 225.5,
      percent_remaining: 75,
    },
  },
};
