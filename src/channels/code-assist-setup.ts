import { expiryOf, textField } from '../accounts/fields.ts';
import { LoginRefused } from '../accounts/login.ts';
import { GatewayError } from '../core/error.ts';
import { compact, type Json, readObject, readObjects, readString, tryParseObject } from '../core/json.ts';
import gemini from '../protocols/gemini/index.ts';
import { projectsOf } from './code-assist.ts';
import { userAgent } from './entry.ts';
import { type GoogleToken, renewedGoogleToken } from './google-oauth.ts';
import type { Ask, Net } from './login.ts';

/** Calls of Code Assist around a chat: which project an account works in, and what it has left. */

/** How accounts of a product are set up. */
export interface Setup {
  /** The channel's id. */
  readonly id: string;
  /** The words by which the service knows whose plans are asked for. */
  readonly metadata: Json;
  /** How long before its end a token is renewed. */
  readonly leadMs: number;
  /** Between two looks whether the account is ready. */
  readonly pollMs: number;
  readonly polls: number;
}

/**
 * One call of Code Assist.
 * @throws GatewayError as the protocol reads Google's answer.
 */
export async function askCodeAssist(net: Net, method: string, token: string, body: Json): Promise<Json> {
  const response = await net.fetch(`${net.endpoints.api}/v1internal:${method}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'user-agent': userAgent,
      authorization: `Bearer ${token}`,
    },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw gemini.upstream!.decodeError(response.status, response.headers, text);
  const answer = tryParseObject(text);
  if (answer) return answer;
  throw new GatewayError(
    { kind: 'bad-upstream-data' },
    `Code Assist answered ${method} with no JSON object.`,
  );
}

/**
 * The project that an account works in. An account that is new to the product is signed up for its usual plan.
 * @param wished the project that the operator chose; a free plan has one of its own.
 * @throws LoginRefused with Google's own reason when the account has no plan.
 */
export async function setUpAccount(
  token: string,
  wished: string | undefined,
  net: Net,
  { metadata, pollMs, polls }: Setup,
): Promise<string> {
  const described = compact({ ...metadata, duetProject: wished });
  const project = compact({ cloudaicompanionProject: wished });
  const loaded = await load(net, token, { ...project, metadata: described }, wished);
  const known = projectIn(loaded);
  if (readObject(loaded.currentTier)) return known ?? wished ?? refuse(loaded);
  const tierId =
    defaultTier(loaded) ?? (readObjects(loaded.ineligibleTiers).length > 0 ? refuse(loaded) : oldTier);
  // Naming a project is a failed precondition on the free plan.
  const request = tierId === freeTier ? { tierId, metadata } : { tierId, ...project, metadata: described };
  for (let poll = 0; poll < polls; poll++) {
    if (poll > 0) await net.sleep(pollMs);
    const operation = await askCodeAssist(net, 'onboardUser', token, request);
    if (operation.done !== true) continue;
    return projectIn(readObject(operation.response) ?? {}) ?? wished ?? refuse(loaded);
  }
  throw new GatewayError({ kind: 'overloaded' }, 'Google did not finish setting the account up in time.', {
    remedy: 'Try again in a minute.',
  });
}

/** Accounts of a company, and paid plans, have a project of their own. */
export const projectAsk: Ask = {
  name: 'project',
  question: 'Google Cloud project (empty: the one that Google gives)',
  fallback: '',
};

/** What a renewal brings. */
export interface Renewed {
  readonly token?: GoogleToken;
  /** The project that was found for a file without one. */
  readonly project?: string;
}

/**
 * Renews a login, and finds the project of a file that names none.
 * @param held where the file holds its token.
 */
export async function renewAccount(fields: Json, held: Json, net: Net, setup: Setup): Promise<Renewed> {
  const current = textField(held, 'access_token');
  if (projectsOf(fields).length > 0) return { token: await renewedGoogleToken(held, net, setup.id) };
  // A file that only lacks its project need not have ended.
  if (current !== undefined && (expiryOf(held) ?? 0) - setup.leadMs > net.now())
    return { project: await setUpAccount(current, undefined, net, setup) };
  const token = await renewedGoogleToken(held, net, setup.id);
  return { token, project: await setUpAccount(token.accessToken, undefined, net, setup) };
}

const freeTier = 'free-tier';
/** What accounts are set up for that are told of no plan at all. */
const oldTier = 'legacy-tier';

/** A company's security perimeter may forbid the question; its accounts are on a paid plan and name their project. */
async function load(net: Net, token: string, body: Json, wished: string | undefined): Promise<Json> {
  try {
    return await askCodeAssist(net, 'loadCodeAssist', token, body);
  } catch (thrown) {
    const fenced = thrown instanceof GatewayError && thrown.upstream?.code === 'SECURITY_POLICY_VIOLATED';
    if (!fenced || wished === undefined) throw thrown;
    return { currentTier: { id: 'standard-tier' } };
  }
}

const defaultTier = (loaded: Json): string | undefined =>
  readString(readObjects(loaded.allowedTiers).find((tier) => tier.isDefault === true)?.id);

/** The project is a text or an object with an id. */
const projectIn = ({ cloudaicompanionProject: project }: Json): string | undefined =>
  (readString(project) ?? readString(readObject(project)?.id)) || undefined;

function refuse(loaded: Json): never {
  const reasons = readObjects(loaded.ineligibleTiers).map((tier) =>
    [readString(tier.reasonMessage), readString(tier.validationUrl)].filter((text) => text).join(' '),
  );
  const said = reasons.filter((reason) => reason !== '').join('; ');
  throw new LoginRefused(
    said === '' ? 'This account needs a Google Cloud project of its own; name it when signing in.' : said,
  );
}
