import { compact, type Json, readString, tryParseObject } from '../../src/core/json.ts';

/**
 * An OAuth provider on loopback, as strict as a real one: codes work once and only with their verifier, refresh tokens
 * rotate, and one that comes a second time ends the whole family. It counts every call and fails on demand.
 */
export interface OauthServer {
  readonly url: string;
  /** `authorize`, `token`, `device` and the page where a person types a device code, `verify`. */
  readonly endpoints: Readonly<Record<'authorize' | 'token' | 'device' | 'verify', string>>;
  readonly counts: Counts;
  /** Every body that reached the token endpoint, in order. */
  readonly received: Json[];
  /** Failures and delays of the next calls to the token endpoint, used up in order. */
  readonly next: Trouble[];
  /** Signs a person in without a browser, as if long ago: the tokens of a new grant. */
  issue(subject?: string): Tokens;
  /** What an API finds out about an access token. */
  check(accessToken: string): 'live' | 'expired' | 'unknown';
  /** Follows a URL to the authorize page as a browser does; the URL that the provider sends it back to. */
  visit(authorizeUrl: string): Promise<string>;
  approve(userCode: string, subject?: string): void;
  deny(userCode: string): void;
  expire(userCode: string): void;
  /** Ends a grant as an operator of the provider would: every later use is `invalid_grant`. */
  revoke(refreshToken: string): void;
  stop(): Promise<void>;
}

export interface Counts {
  authorize: number;
  code: number;
  refresh: number;
  device: number;
  poll: number;
  /** Refresh tokens that came a second time. */
  reused: number;
}

/** One failure: an answer of its own, or a wait before the ordinary one. */
export type Trouble =
  | { readonly status: number; readonly body?: Json; readonly headers?: Readonly<Record<string, string>> }
  | { readonly until: Promise<unknown> };

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

export interface OauthOptions {
  readonly clientId?: string;
  /** The token endpoint then asks for it, in the body or as HTTP Basic. */
  readonly clientSecret?: string;
  /** Seconds an access token lives; 3600 by default. */
  readonly lifetime?: number;
  /** False: refresh tokens stay as they are. */
  readonly rotate?: boolean;
  /** Polls that are answered with `slow_down` before any other answer. */
  readonly slowDowns?: number;
  /** Errors of the device grant come with HTTP 200, as GitHub's do. */
  readonly errorsWith200?: boolean;
  /** Seconds between polls. */
  readonly interval?: number;
  /** More fields of every token answer, such as an id token. */
  readonly more?: (subject: string) => Json;
  readonly now?: () => number;
  /** What the `Date` header of answers says; the real time by default. */
  readonly date?: () => number;
}

interface Grant {
  readonly subject: string;
  /** The only refresh token that is good. */
  current: string;
  over: boolean;
}

interface Code {
  readonly challenge: string;
  readonly redirectUri: string;
}

interface Device {
  readonly userCode: string;
  state: 'pending' | 'denied' | 'expired' | 'used' | { readonly subject: string };
  slowDowns: number;
}

export function oauthServer(options: OauthOptions = {}): OauthServer {
  const { clientId = 'test-client', lifetime = 3600, rotate = true, interval = 5, now = Date.now } = options;
  const counts: Counts = { authorize: 0, code: 0, refresh: 0, device: 0, poll: 0, reused: 0 };
  const received: Json[] = [];
  const next: Trouble[] = [];
  const grants = new Map<string, Grant>();
  const access = new Map<string, { readonly expiresAt: number; readonly grant: Grant }>();
  const codes = new Map<string, Code>();
  const devices = new Map<string, Device>();

  function tokensFor(grant: Grant): Tokens {
    const accessToken = secret('at');
    access.set(accessToken, { expiresAt: now() + lifetime * 1000, grant });
    if (rotate || grant.current === '') {
      grant.current = secret('rt');
      grants.set(grant.current, grant);
    }
    return { accessToken, refreshToken: grant.current };
  }

  const signIn = (subject: string) => {
    const grant: Grant = { subject, current: '', over: false };
    return { grant, tokens: tokensFor(grant) };
  };

  function tokenAnswer({ grant, tokens }: ReturnType<typeof signIn>): Response {
    return answer(
      200,
      compact({
        access_token: tokens.accessToken,
        refresh_token: tokens.refreshToken,
        token_type: 'Bearer',
        expires_in: lifetime,
        ...options.more?.(grant.subject),
      }),
    );
  }

  function answer(status: number, body: Json, headers: Readonly<Record<string, string>> = {}): Response {
    return Response.json(body, { status, headers: { 'cache-control': 'no-store', ...headers } });
  }

  const refuse = (error: string, status = 400, words = `The simulator says ${error}.`) =>
    answer(status, { error, error_description: words });

  function authorize(query: URLSearchParams): Response {
    counts.authorize++;
    const { redirect_uri: redirectUri = '', state = '', code_challenge: challenge = '' } = object(query);
    if (query.get('client_id') !== clientId) return refuse('invalid_client', 401);
    if (query.get('response_type') !== 'code') return refuse('unsupported_response_type');
    if (challenge === '' || query.get('code_challenge_method') !== 'S256')
      return refuse('invalid_request', 400, 'A PKCE challenge with S256 is required.');
    const code = secret('code');
    codes.set(code, { challenge, redirectUri });
    const back = new URL(redirectUri);
    back.searchParams.set('code', code);
    back.searchParams.set('state', state);
    return Response.redirect(back.href, 302);
  }

  async function token(request: Request): Promise<Response> {
    const body = await fieldsOf(request);
    received.push(body);
    const trouble = next.shift();
    if (trouble && 'until' in trouble) await trouble.until;
    else if (trouble) return answer(trouble.status, trouble.body ?? {}, trouble.headers);
    if (!isClient(request, body)) return refuse('invalid_client', 401);
    const kind = readString(body['grant_type'] ?? body['grantType']) ?? '';
    if (kind === 'authorization_code') return exchange(body);
    if (kind === 'refresh_token') return refresh(body);
    if (kind === 'urn:ietf:params:oauth:grant-type:device_code') return poll(body);
    return refuse('unsupported_grant_type');
  }

  function isClient(request: Request, body: Json): boolean {
    const basic = /^basic (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
    const [id, password] = basic
      ? Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent)
      : [body['client_id'] ?? body['clientId'], body['client_secret'] ?? body['clientSecret']];
    return id === clientId && (options.clientSecret === undefined || password === options.clientSecret);
  }

  function exchange(body: Json): Response {
    counts.code++;
    const code = codes.get(String(body['code']));
    codes.delete(String(body['code']));
    if (!code) return refuse('invalid_grant', 400, 'The code is unknown or was used before.');
    const verifier = String(body['code_verifier'] ?? body['codeVerifier'] ?? '');
    const challenge = new Bun.CryptoHasher('sha256').update(verifier).digest('base64url');
    if (challenge !== code.challenge) return refuse('invalid_grant', 400, 'The verifier does not fit.');
    if ((body['redirect_uri'] ?? body['redirectUri']) !== code.redirectUri)
      return refuse('invalid_grant', 400, 'The redirect URI is another one.');
    return tokenAnswer(signIn('person@example.com'));
  }

  function refresh(body: Json): Response {
    counts.refresh++;
    const presented = String(body['refresh_token'] ?? body['refreshToken']);
    const grant = grants.get(presented);
    if (!grant || grant.over) return refuse('invalid_grant', 400, 'The refresh token is not valid any more.');
    if (presented !== grant.current) {
      counts.reused++;
      grant.over = true;
      return refuse('invalid_grant', 400, 'The refresh token was used before; the grant has been ended.');
    }
    return tokenAnswer({ grant, tokens: tokensFor(grant) });
  }

  function device(body: Json): Response {
    counts.device++;
    if (body['client_id'] !== clientId) return refuse('invalid_client', 401);
    const deviceCode = secret('dc');
    const userCode = `ABCD-${String(devices.size + 1).padStart(4, '0')}`;
    devices.set(deviceCode, { userCode, state: 'pending', slowDowns: options.slowDowns ?? 0 });
    return answer(200, {
      device_code: deviceCode,
      user_code: userCode,
      verification_uri: `${url}/verify`,
      verification_uri_complete: `${url}/verify?user_code=${userCode}`,
      expires_in: 900,
      interval,
    });
  }

  function poll(body: Json): Response {
    counts.poll++;
    const status = options.errorsWith200 ? 200 : 400;
    const found = devices.get(String(body['device_code']));
    if (!found || found.state === 'used') return refuse('invalid_grant', status);
    if (found.slowDowns-- > 0) return refuse('slow_down', status);
    if (found.state === 'pending') return refuse('authorization_pending', status);
    if (found.state === 'denied') return refuse('access_denied', status);
    if (found.state === 'expired') return refuse('expired_token', status);
    const { subject } = found.state;
    found.state = 'used';
    return tokenAnswer(signIn(subject));
  }

  function deviceOf(userCode: string): Device {
    const found = [...devices.values()].find((one) => one.userCode === userCode);
    if (!found) throw new Error(`No device shows the code ${userCode}.`);
    return found;
  }

  async function respond(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === '/authorize') return authorize(searchParams);
    if (pathname === '/token') return token(request);
    if (pathname === '/device') return device(await fieldsOf(request));
    if (pathname === '/verify') return new Response('Type the code that your terminal shows.');
    return new Response('Not found', { status: 404 });
  }

  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const response = await respond(request);
      response.headers.set('date', new Date((options.date ?? Date.now)()).toUTCString());
      return response;
    },
  });
  const url = `http://127.0.0.1:${server.port}`;

  return {
    url,
    endpoints: {
      authorize: `${url}/authorize`,
      token: `${url}/token`,
      device: `${url}/device`,
      verify: `${url}/verify`,
    },
    counts,
    received,
    next,
    issue: (subject = 'person@example.com') => signIn(subject).tokens,
    check(accessToken) {
      const found = access.get(accessToken);
      if (!found || found.grant.over) return 'unknown';
      return found.expiresAt > now() ? 'live' : 'expired';
    },
    async visit(authorizeUrl) {
      const response = await fetch(authorizeUrl, { redirect: 'manual' });
      const location = response.headers.get('location');
      if (location === null) throw new Error(`No redirect: ${response.status} ${await response.text()}`);
      return location;
    },
    approve: (userCode, subject = 'person@example.com') => void (deviceOf(userCode).state = { subject }),
    deny: (userCode) => void (deviceOf(userCode).state = 'denied'),
    expire: (userCode) => void (deviceOf(userCode).state = 'expired'),
    revoke(refreshToken) {
      const grant = grants.get(refreshToken);
      if (grant) grant.over = true;
    },
    stop: () => server.stop(true),
  };
}

const secret = (kind: string) => `${kind}-${crypto.randomUUID().replaceAll('-', '')}`;

const object = (query: URLSearchParams): Partial<Record<string, string>> => Object.fromEntries(query);

/** A body as a form or as JSON. */
async function fieldsOf(request: Request): Promise<Json> {
  const text = await request.text();
  return tryParseObject(text) ?? Object.fromEntries(new URLSearchParams(text));
}
