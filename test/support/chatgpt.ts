import { UnsecuredJWT } from 'jose';
import { tryParseObject, type Json } from '../../src/core/json.ts';
import { codexUpstream, type CodexUpstream } from './codex-upstream.ts';
import { oauthServer, type OauthOptions, type OauthServer } from './oauth-server.ts';

/**
 * ChatGPT on loopback as people sign in to it: OpenAI's OAuth with id tokens, its own kind of device codes, its list of
 * used windows, and the backend that takes the tokens.
 */
export interface Chatgpt {
  readonly provider: OauthServer;
  readonly backend: CodexUpstream;
  /** The channel's endpoints, as `oauth-endpoints.codex` would give them. */
  readonly endpoints: Readonly<Record<string, string>>;
  /** A person types the code of a device; the account that they choose. */
  approve(userCode: string): void;
  /** The fields of a file of somebody who signed in before. */
  file(holder?: Holder, more?: Json): Json;
  stop(): Promise<void>;
}

/** Whom the claims of a token name. */
export interface Holder {
  readonly email: string;
  readonly user: string;
  readonly account: string;
  readonly plan?: string;
}

export const plusHolder: Holder = {
  email: 'you@example.com',
  user: 'user-0123',
  account: 'acct-0123',
  plan: 'plus',
};

export const codexClient = 'app_test';

/** A token with the claims of OpenAI's. */
export const idToken = ({ email, user, account, plan }: Holder, more: Json = {}): string =>
  new UnsecuredJWT({
    email,
    sub: `auth0|${user}`,
    'https://api.openai.com/auth': {
      chatgpt_account_id: account,
      chatgpt_user_id: user,
      ...(plan === undefined ? {} : { chatgpt_plan_type: plan }),
    },
    ...more,
  }).encode();

/** @param holder who signs in. */
export function chatgpt(options: OauthOptions = {}, holder: Holder = plusHolder): Chatgpt {
  const provider = oauthServer({
    clientId: codexClient,
    lifetime: 864_000,
    more: () => ({ id_token: idToken(holder) }),
    ...options,
  });
  const backend = codexUpstream((token) => (provider.check(token) === 'live' ? holder.account : undefined));
  const devices = new Map<string, { readonly userCode: string; approved: boolean }>();
  const callback = 'http://127.0.0.1/deviceauth/callback';

  async function codeFor(): Promise<Json> {
    const verifier = crypto.randomUUID().repeat(2);
    const challenge = new Bun.CryptoHasher('sha256').update(verifier).digest('base64url');
    const query = new URLSearchParams({
      client_id: codexClient,
      response_type: 'code',
      redirect_uri: callback,
      code_challenge: challenge,
      code_challenge_method: 'S256',
    });
    const back = new URL(await provider.visit(`${provider.endpoints.authorize}?${query}`));
    const authorization_code = back.searchParams.get('code');
    return { authorization_code, code_verifier: verifier, code_challenge: challenge };
  }

  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const body = tryParseObject(await request.text()) ?? {};
      if (pathname === '/usercode' && body.client_id === codexClient) {
        const id = `device_${devices.size + 1}`;
        devices.set(id, { userCode: `WXYZ-${devices.size + 1}`, approved: false });
        return Response.json({ device_auth_id: id, user_code: devices.get(id)!.userCode, interval: '1' });
      }
      if (pathname === '/device-token') {
        const device = devices.get(String(body.device_auth_id));
        if (!device || device.userCode !== body.user_code) return Response.json({}, { status: 400 });
        if (!device.approved) return Response.json({ error: { code: 'pending' } }, { status: 403 });
        devices.delete(String(body.device_auth_id));
        return Response.json(await codeFor());
      }
      if (pathname === '/usage') return usage(request);
      return new Response(null, { status: 404 });
    },
  });

  function usage({ headers }: Request): Response {
    const live = provider.check(headers.get('authorization')?.replace('Bearer ', '') ?? '') === 'live';
    if (!live || headers.get('chatgpt-account-id') !== holder.account)
      return Response.json({ error: { code: 'unauthorized' } }, { status: 401 });
    return Response.json({
      plan_type: holder.plan,
      rate_limit: {
        primary_window: { used_percent: 25, limit_window_seconds: 18_000, reset_at: 1_900_000_000 },
        secondary_window: { used_percent: 100, limit_window_seconds: 604_800, reset_at: 1_900_500_000 },
      },
    });
  }

  const url = `http://127.0.0.1:${server.port}`;
  return {
    provider,
    backend,
    endpoints: {
      api: backend.url,
      authorize: provider.endpoints.authorize,
      token: provider.endpoints.token,
      usage: `${url}/usage`,
      device: `${url}/usercode`,
      'device-token': `${url}/device-token`,
      'device-callback': callback,
      verify: `${url}/verify`,
    },
    approve(userCode) {
      for (const device of devices.values()) if (device.userCode === userCode) device.approved = true;
    },
    file(of = holder, more = {}) {
      const { accessToken, refreshToken } = provider.issue();
      return {
        type: 'codex',
        email: of.email,
        account_id: of.account,
        id_token: idToken(of),
        access_token: accessToken,
        refresh_token: refreshToken,
        expired: new Date(Date.now() + 864_000_000).toISOString(),
        ...more,
      };
    },
    async stop() {
      await Promise.all([provider.stop(), backend.stop(), server.stop(true)]);
    },
  };
}
