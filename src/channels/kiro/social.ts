import { LoginRefused } from '../../accounts/login.ts';
import type { BrowserWay, Net } from '../../accounts/steps.ts';
import type { Json } from '../../core/json.ts';
import { OauthError, tokenAnswer } from '../oauth.ts';
import { loginId } from './account.ts';
import { tokenFields } from './oidc.ts';
import { inRegion, named } from './service.ts';

/** Signing in with Google or GitHub, through Kiro's own sign-in service. */

const post = async (net: Net, path: string, body: Json): Promise<Json> =>
  tokenAnswer(
    await net.fetch(`${inRegion(net.endpoints.social, '')}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  );

/** @param provider as the service spells it. */
export const socialWay = (id: string, title: string, provider: 'Google' | 'Github'): BrowserWay => ({
  kind: 'browser',
  id,
  title,
  redirect: { host: 'localhost', port: 9876, path: '/oauth/callback' },
  begin(ticket, net) {
    const query = new URLSearchParams({
      idp: provider,
      redirect_uri: ticket.redirectUri,
      code_challenge: ticket.challenge,
      code_challenge_method: 'S256',
      state: ticket.state,
      prompt: 'select_account',
    });
    return Promise.resolve({ url: `${inRegion(net.endpoints.social, '')}/login?${query}` });
  },
  async finish({ code, verifier, redirectUri }, net) {
    const answer = await post(net, '/oauth/token', {
      code,
      code_verifier: verifier,
      redirect_uri: redirectUri,
    });
    const fields: Json = { type: 'kiro', ...tokenFields(answer, net.now()), auth_method: 'social', provider };
    return named({ ...fields, login_id: loginId(fields) }, net);
  },
});

/** Renews a social login. @throws LoginRefused */
export async function renewSocial(refreshToken: string, net: Net): Promise<Json> {
  try {
    return tokenFields(await post(net, '/refreshToken', { refreshToken }), net.now());
  } catch (thrown) {
    const status =
      thrown instanceof OauthError && thrown.fault.kind === 'upstream-failed' ? thrown.fault.status : 0;
    // The service has no error codes: a token that it does not know is a 400, 401 or 403.
    if (status === 400 || status === 401 || status === 403) throw new LoginRefused((thrown as Error).message);
    throw thrown;
  }
}
