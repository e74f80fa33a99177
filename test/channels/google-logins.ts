import type { BrowserWay, Logins, Net } from '../../src/channels/login.ts';
import type { Json } from '../../src/core/json.ts';
import { codeAssistUpstream } from '../support/code-assist-upstream.ts';
import { testNet } from '../support/net.ts';
import { oauthServer, type OauthOptions } from '../support/oauth-server.ts';

/** A product of Code Assist with its OAuth provider, both on loopback, and the steps of its channel. */
export function simulated(product: 'gemini-cli' | 'antigravity', logins: Logins, options: OauthOptions = {}) {
  const provider = oauthServer({ clientSecret: 'hush', ...options });
  const google = codeAssistUpstream(product, provider);
  const endpoints = {
    ...logins.endpoints,
    ...provider.endpoints,
    userinfo: `${google.url}/oauth2/v1/userinfo`,
    api: google.url,
  };
  const slept: number[] = [];
  const net: Net = {
    ...testNet(endpoints, { id: 'test-client', secret: 'hush' }, options.now),
    sleep: (ms) => Promise.resolve(void slept.push(ms)),
  };
  return {
    provider,
    google,
    endpoints,
    net,
    /** The waits that steps asked for. */
    slept,
    /** Signs in as a browser does. */
    signIn: (answers: Readonly<Record<string, string>> = {}) =>
      throughBrowser(logins.ways[0] as BrowserWay, net, provider.visit, answers),
    stop: () => Promise.all([provider.stop(), google.stop()]),
  };
}

export type Simulated = ReturnType<typeof simulated>;

async function throughBrowser(
  way: BrowserWay,
  net: Net,
  visit: (url: string) => Promise<string>,
  answers: Readonly<Record<string, string>>,
): Promise<Json> {
  const verifier = crypto.randomUUID().repeat(2);
  const challenge = new Bun.CryptoHasher('sha256').update(verifier).digest('base64url');
  const { host, port, path } = way.redirect;
  const redirectUri = `http://${host}:${port}${path}`;
  const { url } = await way.begin({ state: 'st', challenge, redirectUri }, net, answers);
  const back = new URL(await visit(url));
  const parameters = Object.fromEntries(back.searchParams);
  const code = { code: parameters.code!, verifier, redirectUri, memo: undefined, parameters };
  return way.finish(code, net, answers);
}
