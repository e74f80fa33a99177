import { readString, tryParseObject, type Json } from '../../src/core/json.ts';
import type { Caller } from './kiro-checks.ts';

/** How many times each thing was asked for. */
export interface KiroCounts {
  register: number;
  device: number;
  poll: number;
  code: number;
  refresh: number;
  /** Refresh tokens that came a second time. */
  reused: number;
}

interface Grant extends Caller {
  readonly clientId: string | undefined;
  current: string;
  over: boolean;
}

interface Pending {
  readonly caller: Caller;
  readonly clientId: string | undefined;
  readonly challenge?: string;
  readonly redirectUri?: string;
  readonly userCode?: string;
  state: 'pending' | 'approved' | 'denied' | 'used';
  slowDowns: number;
}

export const kiroProfile = 'arn:aws:codewhisperer:us-east-1:123456789012:profile/SIMULATED';

/** The sign-in services of AWS and of Kiro: every client registered, every code once, refresh tokens that rotate. */
export function kiroAuth(lifetime = 3600) {
  const counts: KiroCounts = { register: 0, device: 0, poll: 0, code: 0, refresh: 0, reused: 0 };
  const clients = new Map<string, { readonly secret: string; readonly startUrl: string }>();
  const pending = new Map<string, Pending>();
  const grants = new Map<string, Grant>();
  const access = new Map<string, { readonly grant: Grant; live: boolean }>();
  /** Refusals of the next renewals. */
  const next: { readonly status: number; readonly body: Json }[] = [];
  let slowDowns = 0;

  function issue(caller: Caller, clientId?: string): Json {
    const grant: Grant = { ...caller, clientId, current: '', over: false };
    return tokens(grant);
  }

  function tokens(grant: Grant): Json {
    const accessToken = secret('aoa');
    access.set(accessToken, { grant, live: true });
    grant.current = secret('aor');
    grants.set(grant.current, grant);
    return {
      accessToken,
      refreshToken: grant.current,
      expiresIn: lifetime,
      ...(grant.method === 'social' ? { profileArn: kiroProfile } : { tokenType: 'Bearer' }),
    };
  }

  function register(body: Json): Response {
    counts.register++;
    if (body.clientType !== 'public' || !Array.isArray(body.scopes) || !body.clientName || !body.issuerUrl)
      return oidcError('invalid_client_metadata');
    const clientId = secret('client');
    const clientSecret = secret('hush');
    clients.set(clientId, { secret: clientSecret, startUrl: String(body.issuerUrl) });
    return Response.json({ clientId, clientSecret, clientSecretExpiresAt: 4_000_000_000 });
  }

  function device(body: Json, url: string): Response {
    counts.device++;
    const client = clients.get(String(body.clientId));
    if (client?.secret !== body.clientSecret) return oidcError('invalid_client', 401);
    const deviceCode = secret('dc');
    const userCode = `KIRO-${String(pending.size + 1).padStart(4, '0')}`;
    const caller = callerOf(String(body.startUrl), url);
    pending.set(deviceCode, {
      caller,
      clientId: String(body.clientId),
      userCode,
      state: 'pending',
      slowDowns,
    });
    return Response.json({
      deviceCode,
      userCode,
      verificationUri: `${url}/verify`,
      verificationUriComplete: `${url}/verify?user_code=${userCode}`,
      interval: 0.05,
      expiresIn: 600,
    });
  }

  const callerOf = (startUrl: string, url: string): Caller => ({
    method: startUrl === `${url}/start` ? 'builder-id' : 'idc',
    profileArn: undefined,
  });

  /** AWS's page, and Kiro's: both send the browser back at once. */
  function authorize(query: URLSearchParams, url: string): Response {
    const social = query.has('idp');
    const clientId = query.get('client_id') ?? undefined;
    const client = clients.get(clientId ?? '');
    if (!social && (!client || !query.get('scopes')?.includes('codewhisperer:completions')))
      return oidcError('invalid_request');
    if (query.get('code_challenge_method') !== 'S256') return oidcError('invalid_request');
    const code = secret('code');
    pending.set(code, {
      caller: social ? { method: 'social', profileArn: kiroProfile } : callerOf(client!.startUrl, url),
      clientId,
      challenge: query.get('code_challenge') ?? '',
      redirectUri: query.get('redirect_uri') ?? '',
      state: 'approved',
      slowDowns: 0,
    });
    const back = new URL(query.get('redirect_uri')!);
    back.searchParams.set('code', code);
    back.searchParams.set('state', query.get('state') ?? '');
    return Response.redirect(back.href, 302);
  }

  function exchange(body: Json): Response {
    counts.code++;
    const found = pending.get(String(body.code));
    const verifier = String(body.codeVerifier ?? body.code_verifier);
    const challenge = new Bun.CryptoHasher('sha256').update(verifier).digest('base64url');
    const redirectUri = body.redirectUri ?? body.redirect_uri;
    if (found?.state !== 'approved' || found.challenge !== challenge || found.redirectUri !== redirectUri)
      return oidcError('invalid_grant');
    found.state = 'used';
    return Response.json(issue(found.caller, found.clientId));
  }

  function poll(body: Json): Response {
    counts.poll++;
    const found = pending.get(String(body.deviceCode));
    if (!found || found.state === 'used') return oidcError('invalid_grant');
    if (found.slowDowns-- > 0) return oidcError('slow_down');
    if (found.state === 'pending') return oidcError('authorization_pending');
    if (found.state === 'denied') return oidcError('access_denied');
    found.state = 'used';
    return Response.json(issue(found.caller, found.clientId));
  }

  function refresh(presented: string, social: boolean, clientId?: string): Response {
    counts.refresh++;
    const trouble = next.shift();
    if (trouble) return Response.json(trouble.body, { status: trouble.status });
    const no = () =>
      social ? Response.json({ message: 'Bad credentials' }, { status: 401 }) : oidcError('invalid_grant');
    const grant = grants.get(presented);
    if (!grant || grant.over || (grant.method === 'social') !== social || grant.clientId !== clientId)
      return no();
    if (grant.current !== presented) {
      counts.reused++;
      grant.over = true;
      return no();
    }
    return Response.json(tokens(grant));
  }

  function oidcToken(body: Json): Response {
    const client = clients.get(String(body.clientId));
    if (client?.secret !== body.clientSecret) return oidcError('invalid_client', 401);
    const kind = readString(body.grantType);
    if (kind === 'authorization_code') return exchange(body);
    if (kind === 'refresh_token') return refresh(String(body.refreshToken), false, String(body.clientId));
    return kind?.endsWith(':device_code') ? poll(body) : oidcError('unsupported_grant_type');
  }

  return {
    counts,
    next,
    issue,
    /** Registers a client without a request, for files that are already there. */
    client() {
      const clientId = secret('client');
      const clientSecret = secret('hush');
      clients.set(clientId, { secret: clientSecret, startUrl: '' });
      return { clientId, clientSecret };
    },
    slowDown(times: number) {
      slowDowns = times;
    },
    decide(userCode: string, state: 'approved' | 'denied') {
      const found = [...pending.values()].find((one) => one.userCode === userCode);
      if (!found) throw new Error(`No device shows the code ${userCode}.`);
      found.state = state;
    },
    /** Ends every access token there is; refresh tokens stay good. */
    expireAll() {
      for (const held of access.values()) held.live = false;
    },
    caller(token: string): Caller | undefined {
      const found = access.get(token);
      return found?.live && !found.grant.over ? found.grant : undefined;
    },
    async answer(request: Request, url: string): Promise<Response | undefined> {
      const { pathname, searchParams } = new URL(request.url);
      const body = request.method === 'POST' ? (tryParseObject(await request.clone().text()) ?? {}) : {};
      switch (pathname) {
        case '/oidc/client/register':
          return register(body);
        case '/oidc/device_authorization':
          return device(body, url);
        case '/oidc/token':
          return oidcToken(body);
        case '/oidc/authorize':
        case '/social/login':
          return authorize(searchParams, url);
        case '/social/oauth/token':
          return exchange(body);
        case '/social/refreshToken':
          return refresh(String(body.refreshToken), true);
        default:
          return undefined;
      }
    },
  };
}

const secret = (kind: string) => `${kind}-${crypto.randomUUID().replaceAll('-', '')}`;

const oidcError = (error: string, status = 400) =>
  Response.json({ error, error_description: `The simulator says ${error}.` }, { status });
