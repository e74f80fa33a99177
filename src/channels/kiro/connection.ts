import { textField } from '../../accounts/fields.ts';
import type { Login } from '../../accounts/login.ts';
import { GatewayError } from '../../core/error.ts';
import type { Answered } from '../../wire/fetch.ts';
import type { Call, Connection, Outgoing } from '../channel.ts';
import { userAgent } from '../entry.ts';
import { fileHeaders, loginAccount } from '../login-account.ts';
import type { LoginTools } from '../login.ts';
import { profileOf } from './account.ts';
import { asEventStream } from './frames.ts';
import { knownModels, plainNames } from './models.ts';
import { kiroProtocol } from './protocol.ts';
import { placesOf } from './service.ts';
import { guessTokens, id } from './wire.ts';

const operation = 'generateAssistantResponse';

/** The way out through one Kiro account. */
export function open(login: Login, tools: LoginTools): Connection {
  const { naming, endpoints } = tools;
  const discovered = naming.discovered?.length ? naming.discovered : knownModels;
  const extra = fileHeaders(login, tools);
  return {
    id: `${id}:${login.id}`,
    provider: id,
    accounts: [loginAccount(login, id, tools)],
    models: { ...naming, discovered, aliases: naming.aliases ?? plainNames(discovered) },
    speaks: () => kiroProtocol,
    prepare(call) {
      const outgoing = prepare(login, call, endpoints);
      extra.apply(outgoing.headers, call.clientHeaders);
      return outgoing;
    },
    send: (outgoing, _, exchange) => send(login, outgoing, endpoints, exchange),
  };
}

function prepare(login: Login, call: Call, endpoints: LoginTools['endpoints']): Outgoing {
  const { fields } = login;
  const [place] = placesOf(fields, endpoints);
  const headers = new Headers({
    'content-type': 'application/json',
    accept: '*/*',
    'accept-encoding': 'identity',
    authorization: `Bearer ${textField(fields, 'access_token') ?? ''}`,
    'user-agent': userAgent,
    // What AWS's clients send of an attempt and its number; and that the conversation is not to be kept for training.
    'amz-sdk-invocation-id': crypto.randomUUID(),
    'amz-sdk-request': 'attempt=1; max=1',
    'x-amzn-codewhisperer-optout': 'true',
    'x-amzn-kiro-agent-mode': 'vibe',
  });
  if (place!.target !== undefined) headers.set('x-amz-target', place!.target);
  const body = withProfile(String(call.body), profileOf(fields));
  return { method: 'POST', url: `${place!.base}/${operation}`, headers, body, proxy: call.account.proxy };
}

/** The profile belongs to the account, so the protocol's encoder does not know it. */
const withProfile = (body: string, profileArn: string | undefined): string =>
  profileArn === undefined ? body : `{"profileArn":${JSON.stringify(profileArn)},${body.slice(1)}`;

/**
 * Asks the places in their order, the next one when one cannot be reached or is throttled. What the last one says counts,
 * unless it could not be reached and one before it had an answer.
 */
async function send(
  login: Login,
  outgoing: Outgoing,
  endpoints: LoginTools['endpoints'],
  exchange: (outgoing: Outgoing) => Promise<Answered>,
): Promise<Answered> {
  let throttled: Answered | undefined;
  let broken: unknown;
  for (const { base, target } of placesOf(login.fields, endpoints)) {
    const headers = new Headers(outgoing.headers);
    headers.delete('x-amz-target');
    if (target !== undefined) headers.set('x-amz-target', target);
    try {
      const answer = await exchange({ ...outgoing, url: `${base}/${operation}`, headers });
      await throttled?.body?.cancel();
      if (answer.status !== 429) return asEventStream(answer, promptGuess(String(outgoing.body)));
      throttled = answer;
    } catch (thrown) {
      if (!(thrown instanceof GatewayError) || thrown.fault.kind !== 'transport') throw thrown;
      broken = thrown;
    }
  }
  if (throttled) return throttled;
  throw broken;
}

/** What a picture counts for; its size in pixels is not known. */
const tokensPerImage = 1_500;

/** A guess at the prompt's tokens from the body that is sent. */
function promptGuess(body: string): number {
  let images = 0;
  const text = body.replaceAll(/"bytes":"[^"]*"/g, () => {
    images++;
    return '';
  });
  return guessTokens(text.length) + images * tokensPerImage;
}
