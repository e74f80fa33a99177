import { textField } from '../accounts/fields.ts';
import type { Login } from '../accounts/login.ts';
import type { Account } from '../accounts/account.ts';
import { GatewayError } from '../core/error.ts';
import { type Json, omit, readObject, tryParseObject } from '../core/json.ts';
import gemini from '../protocols/gemini/index.ts';
import type { Answered } from '../wire/fetch.ts';
import { spelled } from '../wire/rebody.ts';
import type { Call, Connection, Outgoing } from './channel.ts';
import { closedWindows, judgeCodeAssist } from './code-assist-judge.ts';
import { type Mend, unwrap, wrap } from './code-assist-wrapper.ts';
import { userAgent } from './entry.ts';
import type { LoginTools } from './login.ts';
import { fileHeaders, loginAccount } from './login-account.ts';

/** Google's Code Assist as a way out: what its two products, Gemini CLI and Antigravity, have in common. */

/** How one of the products is spoken to. */
export interface Product {
  /** The channel's id, and the provider's name. */
  readonly id: string;
  /** The family of the catalogue that it offers. */
  readonly catalog: string;
  readonly dialect?: string;
  /** The bases to try, the next one when one cannot be reached or has no capacity. */
  bases(endpoints: Readonly<Record<string, string>>): readonly string[];
  tokenOf(fields: Json): string | undefined;
  /** The request as the product takes it; absent: as it is. */
  fit?(body: string, call: Call): Fitted;
}

/** A request as a product takes it. */
export interface Fitted {
  readonly body: string;
  /** Fields of the wrapping besides model and project. */
  readonly fields?: Json;
  /** What must be undone in its answer. */
  readonly mend?: Mend;
}

/** Fields of the Gemini API that Code Assist does not know. Names that say where a request goes are no loss. */
const foreign = ['safetySettings', 'safety_settings', 'serviceTier', 'service_tier', 'store'];

/** Tells of the fields of a request that are left out. */
export function reportLeftOut(
  request: Json,
  leftOut: ReadonlySet<string>,
  { drop }: Pick<Call, 'drop'>,
): void {
  for (const name of foreign)
    if (leftOut.has(name) && request[name] !== undefined) drop?.(`${name}: Code Assist does not know it`);
}

/** A request on its way, with what must be undone in its answer. */
interface Wrapped extends Outgoing {
  readonly mend?: Mend;
}

/** The connection of one login; it stands for several accounts where its file names several projects. */
export function openCodeAssist(product: Product, login: Login, tools: LoginTools): Connection {
  const bases = product.bases(tools.endpoints);
  const extra = fileHeaders(login, tools);
  return {
    id: `${product.id}:${login.id}`,
    provider: product.id,
    accounts: accountsOf(product, login, tools),
    models: { ...tools.naming, catalog: product.catalog },
    ...(product.dialect === undefined ? {} : { dialect: product.dialect }),
    speaks: () => gemini,
    can: (operation) => operation === 'chat' || operation === 'count-tokens',
    prepare(call): Wrapped {
      const outgoing = prepare(product, bases[0]!, call);
      extra.apply(outgoing.headers, call.clientHeaders);
      return outgoing;
    },
    async send(outgoing: Wrapped, _, exchange) {
      return unwrap(await askInTurn(bases, outgoing, exchange), outgoing.mend);
    },
    judge: judgeCodeAssist,
    quota: (_, now, body = '') => closedWindows(body, now),
  };
}

/** The projects that a file names; several stand for several accounts that share one token. */
export const projectsOf = (fields: Json): readonly string[] =>
  (textField(fields, 'project_id') ?? '')
    .split(',')
    .map((project) => project.trim())
    .filter((project) => project !== '');

function accountsOf({ id }: Product, login: Login, tools: LoginTools): readonly Account[] {
  const projects = projectsOf(login.fields);
  if (projects.length < 2) return [loginAccount(login, id, tools)];
  return projects.map((project) => loginAccount(login, id, tools, project));
}

// --------------------------------------------------------------------------------------------------------- a request

function prepare(product: Product, base: string, call: Call): Wrapped {
  const { account, stream } = call;
  const { token, project } = credentialOf(product, account);
  const headers = new Headers({
    'content-type': 'application/json',
    accept: stream ? 'text/event-stream' : 'application/json',
    'user-agent': userAgent,
    authorization: `Bearer ${token}`,
  });
  if (stream) headers.set('accept-encoding', 'identity');
  const { body, fields, mend } = fitted(product, call);
  const whole = call.operation === 'count-tokens' ? {} : { model: call.model, project, ...fields };
  return {
    method: 'POST',
    url: `${base}/v1internal:${methodOf(call)}`,
    headers,
    body: wrap(whole, body),
    proxy: account.proxy,
    ...(mend ? { mend } : {}),
  };
}

function methodOf({ operation, stream }: Call): string {
  if (operation === 'count-tokens') return 'countTokens';
  return stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
}

function credentialOf(product: Product, { secret, workspace }: Account) {
  const fields = secret.kind === 'login' ? secret.login.fields : {};
  const token = product.tokenOf(fields);
  const [first] = projectsOf(fields);
  const several = projectsOf(fields).length > 1;
  const project = several ? workspace : first;
  if (token !== undefined && project !== undefined) return { token, project };
  throw new GatewayError(
    { kind: 'upstream-unauthorized' },
    `This ${product.id} login has no ${token === undefined ? 'access token' : 'project'} yet.`,
    { remedy: `The operator should run: cliproxyapi++ auth login ${product.id}` },
  );
}

function fitted(product: Product, call: Call): Fitted {
  const { body, operation } = call;
  if (typeof body !== 'string')
    throw new GatewayError({ kind: 'internal' }, 'Only a whole body can be wrapped for Code Assist.');
  if (operation === 'count-tokens') return { body: counted(body, call) };
  return product.fit?.(body, call) ?? { body };
}

/** A count is of the bare request with the model's name in it, and without a project. */
function counted(text: string, { model }: Call): string {
  const body = tryParseObject(text) ?? {};
  const request = readObject(body.generateContentRequest ?? body.generate_content_request) ?? body;
  const uncounted = new Set([
    'model',
    'safetySettings',
    'safety_settings',
    'generationConfig',
    'generation_config',
  ]);
  return JSON.stringify({ model: `models/${model}`, ...omit(request, uncounted) });
}

// --------------------------------------------------------------------------------------------------------- the bases

/** Asks one base after the other, until one answers otherwise than that it has nothing left right now. */
async function askInTurn(
  bases: readonly string[],
  outgoing: Outgoing,
  exchange: (outgoing: Outgoing) => Promise<Answered>,
): Promise<Answered> {
  for (const base of bases.slice(0, -1)) {
    const answer = await exchange(at(base, bases, outgoing)).catch(unlessUnreachable);
    const answered = answer && (await unlessExhausted(answer));
    if (answered) return answered;
  }
  return exchange(at(bases.at(-1)!, bases, outgoing));
}

const at = (base: string, bases: readonly string[], outgoing: Outgoing): Outgoing =>
  base === bases[0] ? outgoing : { ...outgoing, url: base + outgoing.url.slice(bases[0]!.length) };

function unlessUnreachable(thrown: unknown): undefined {
  if (thrown instanceof GatewayError && thrown.fault.kind === 'transport') return undefined;
  throw thrown;
}

/** The answer, unless another base may do better: a 429 or a 503 for lack of capacity. */
async function unlessExhausted(answer: Answered): Promise<Answered | undefined> {
  if (answer.status === 429) {
    await answer.body?.cancel().catch(() => {});
    return undefined;
  }
  if (answer.status !== 503) return answer;
  const text = await answer.text();
  return /capacity/i.test(text) ? undefined : spelled(answer, text);
}
