import { type Json, omit, readNumber, readObject, readObjects, readString } from '../../src/core/json.ts';
import { geminiVendor, googleJson, googleRefusal } from './gemini-upstream.ts';
import type { OauthServer } from './oauth-server.ts';
import { type Refusal, simulator, type Simulator, type Vendor } from './simulator.ts';
import type { Received } from './wire-server.ts';

/**
 * Google's Code Assist on loopback, as its two products reach it: GenerateContent in a wrapping, accounts that must be
 * set up first, projects, quotas. It takes the access tokens of an OAuth simulator and refuses what Google refuses.
 */
export interface CodeAssist extends Simulator {
  /** What the service knows of the one account it has. */
  readonly person: Person;
  /** How often each method was asked for, by its name. */
  readonly asked: Record<string, number>;
}

export interface Person {
  email: string;
  /** The projects it may work in; the first is the one that Google gives. */
  projects: string[];
  /** Its plan: none before it is set up. */
  tier: string | undefined;
  /** The plan that it would get. */
  offered: string;
  /** How many more times `onboardUser` answers that it is not done. */
  waits: number;
  /** Why it gets no plan. */
  ineligible: Json[];
  /** A company's perimeter: `loadCodeAssist` is refused. */
  fenced: boolean;
  /** What is left, by model. */
  quota: Record<string, number>;
  /** It has been told which plans there are, as it must be before it takes one. */
  told: boolean;
}

/** @param product whose rules hold: Antigravity wants more of the wrapping and takes less of the request. */
export function codeAssistUpstream(
  product: 'gemini-cli' | 'antigravity',
  provider: Pick<OauthServer, 'check'>,
): CodeAssist {
  const person: Person = {
    email: 'person@example.com',
    projects: ['managed-project'],
    tier: 'standard-tier',
    offered: 'free-tier',
    waits: 0,
    ineligible: [],
    fenced: false,
    told: false,
    quota: { 'gemini-3-sim': 0.25, 'claude-sonnet-4-6': 1 },
  };
  const asked: Record<string, number> = {};
  const inner = geminiVendor();
  return Object.assign(simulator(vendorOf(product, provider, person, asked, inner)), { person, asked });
}

const methodOf = ({ path }: Received): string => /^\/v1internal:(\w+)$/.exec(path)?.[1] ?? '';
const bearer = ({ headers }: Received): string =>
  headers.get('authorization')?.replace(/^Bearer /i, '') ?? '';

/** The request inside, as if it had come to the Gemini API. */
function unwrapped(received: Received): Received {
  const { model, request } = received.json;
  const inside = omit(readObject(request) ?? {}, new Set(['sessionId']));
  const path = `/v1beta/models/${encodeURIComponent(String(model))}:${methodOf(received)}`;
  const [, query] = received.url.split('?');
  return {
    ...received,
    path,
    url: query === undefined ? path : `${path}?${query}`,
    json: inside,
    body: JSON.stringify(inside),
  };
}

function vendorOf(
  product: 'gemini-cli' | 'antigravity',
  provider: Pick<OauthServer, 'check'>,
  person: Person,
  asked: Record<string, number>,
  inner: Vendor,
): Vendor {
  return {
    authorize(received) {
      const method = methodOf(received);
      if (method !== '') asked[method] = (asked[method] ?? 0) + 1;
      return provider.check(bearer(received)) === 'live' ? undefined : unauthenticated();
    },
    other(received) {
      const method = methodOf(received);
      if (method === 'generateContent' || method === 'streamGenerateContent') return undefined;
      if (received.path === '/oauth2/v1/userinfo') return googleJson(200, { email: person.email, id: '117' });
      return others[method]?.(received, person) ?? googleRefusal(404, 'Requested entity was not found.');
    },
    check: (received) =>
      wrappingFault(received, product, person) ??
      requestFault(received, product) ??
      inner.check(unwrapped(received)),
    streams: (received) => methodOf(received) === 'streamGenerateContent',
    asked: (received) => inner.asked(unwrapped(received)),
    stream: (turn, received) =>
      inner
        .stream(turn, unwrapped(received))
        .map((frame) => `data: ${wrappedText(frame.replace(/^data: /, '').trim())}\r\n\r\n`),
    closing: inner.closing,
    opening: inner.opening,
    whole: (turn, received) => wrappedText(inner.whole(turn, unwrapped(received))),
    refusal: (status) => googleRefusal(status, words[status] ?? 'Internal error encountered.'),
    errorFrame: () => `data: ${googleRefusal(503, words[503]!).body.replaceAll('\n', '')}\r\n\r\n`,
  };
}

const wrappedText = (response: string): string =>
  `{"response": ${response}, "traceId": "${crypto.randomUUID().slice(0, 16)}"}`;

// ----------------------------------------------------------------------------------------------------------- refusals

const words: Readonly<Record<number, string>> = {
  401: 'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
  403: "Permission 'cloudaicompanion.companions.generateChat' denied on resource '//cloudaicompanion.googleapis.com/projects/p/locations/global' (or it may not exist).",
  404: 'Requested entity was not found.',
  429: 'Resource has been exhausted (e.g. check quota).',
  500: 'Internal error encountered.',
  503: 'No capacity available for model gemini-3-sim on the server',
};

/** An error in Google's shape, for a test that wants one with details. */
export const googleError = (status: number, message: string, details: readonly Json[] = []): string =>
  googleRefusal(status, message, details).body;

/** The details that Code Assist gives of a limit. */
export const limitDetails = (reason: string, retryDelay: string, metadata: Json = {}): Json[] => [
  {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason,
    domain: 'cloudcode-pa.googleapis.com',
    metadata,
  },
  { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay },
];

const unauthenticated = (): Refusal =>
  googleRefusal(401, words[401]!, [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'ACCESS_TOKEN_EXPIRED',
      domain: 'googleapis.com',
    },
  ]);

const unknownName = (name: string, where = ''): Refusal =>
  googleRefusal(400, `Invalid JSON payload received. Unknown name "${name}"${where}: Cannot find field.`);

const wrapping = {
  'gemini-cli': ['model', 'project', 'request', 'user_prompt_id'],
  antigravity: ['model', 'project', 'request', 'userAgent', 'requestType', 'requestId'],
};

function wrappingFault(
  { json: body, headers }: Received,
  product: keyof typeof wrapping,
  person: Person,
): Refusal | undefined {
  const stray = Object.keys(body).find((key) => !wrapping[product].includes(key));
  if (stray !== undefined) return unknownName(stray);
  if (headers.get('x-goog-api-key') !== null)
    return googleRefusal(400, 'API keys are not supported by this API.');
  if (typeof body.model !== 'string' || !readObject(body.request))
    return googleRefusal(400, 'Request contains an invalid argument.');
  if (person.tier === undefined) return googleRefusal(403, 'The account has not been set up.');
  if (!person.projects.includes(String(body.project))) return googleRefusal(403, words[403]!);
  if (product === 'gemini-cli') return undefined;
  const kinds = ['agent', 'image_gen', 'web_search'];
  if (!kinds.includes(String(body.requestType)) || typeof body.requestId !== 'string')
    return googleRefusal(400, 'Request contains an invalid argument.');
  return undefined;
}

// ------------------------------------------------------------------------------------------------ what a product takes

function requestFault({ json: body }: Received, product: keyof typeof wrapping): Refusal | undefined {
  const request = readObject(body.request)!;
  const where = " at 'request'";
  for (const name of ['serviceTier', 'store', 'model']) if (name in request) return unknownName(name, where);
  if (product === 'gemini-cli') return undefined;
  if ('safetySettings' in request) return unknownName('safetySettings', where);
  if (!/^-\d+$/.test(String(request.sessionId)))
    return googleRefusal(400, 'Request contains an invalid argument.');
  const claude = String(body.model).includes('claude');
  return claude ? claudeFault(request) : geminiFault(request);
}

const declarationsOf = (request: Json): readonly Json[] =>
  readObjects(request.tools).flatMap((tool) => readObjects(tool.functionDeclarations));

function geminiFault(request: Json): Refusal | undefined {
  if (declarationsOf(request).some((one) => 'parametersJsonSchema' in one))
    return unknownName('parametersJsonSchema', " at 'request.tools[0].function_declarations[0]'");
  const config = readObject(request.generationConfig) ?? {};
  return 'maxOutputTokens' in config
    ? googleRefusal(400, 'Request contains an invalid argument.')
    : undefined;
}

function claudeFault(request: Json): Refusal | undefined {
  const declarations = declarationsOf(request);
  const mode = readObject(readObject(request.toolConfig)?.functionCallingConfig)?.mode;
  if (declarations.length > 0 && mode !== 'VALIDATED' && mode !== 'NONE')
    return googleRefusal(400, 'Request contains an invalid argument.');
  const loose = declarations.find((one) => !readObject(one.parameters)?.required);
  if (loose) return googleRefusal(400, `tools.${String(loose.name)}.custom.input_schema: Field required`);
  const calls = readObjects(request.contents).flatMap((content) =>
    readObjects(content.parts).flatMap((part) =>
      [part.functionCall, part.functionResponse].filter((call) => call !== undefined),
    ),
  );
  if (calls.some((call) => readString(readObject(call)?.id) === undefined))
    return googleRefusal(400, 'messages.1.content.0.tool_use.id: Field required');
  const config = readObject(request.generationConfig) ?? {};
  const thinking = readObject(config.thinkingConfig);
  if (thinking?.thinkingLevel !== undefined)
    return googleRefusal(400, 'thinking_level is not supported by this model.');
  const budget = readNumber(thinking?.thinkingBudget) ?? 0;
  if (budget > 0 && (readNumber(config.maxOutputTokens) ?? 0) <= budget)
    return googleRefusal(400, '`max_tokens` must be greater than `thinking.budget_tokens`.');
  return undefined;
}

// ------------------------------------------------------------------------------------------------------- other methods

const others: Readonly<Record<string, (received: Received, person: Person) => Refusal>> = {
  countTokens({ json: body }) {
    const stray = Object.keys(body).find((key) => key !== 'request');
    if (stray !== undefined) return unknownName(stray);
    const request = readObject(body.request) ?? {};
    if (!String(request.model).startsWith('models/'))
      return googleRefusal(400, 'unexpected model name format');
    if (!Array.isArray(request.contents)) return googleRefusal(400, 'Request contains an invalid argument.');
    return googleJson(200, { totalTokens: 42 });
  },
  loadCodeAssist({ json: body }, person) {
    if (!readObject(body.metadata)?.ideType)
      return googleRefusal(400, 'Request contains an invalid argument.');
    if (person.fenced)
      return googleRefusal(403, 'Request is prohibited by organization policy.', [
        { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'SECURITY_POLICY_VIOLATED' },
      ]);
    person.told = true;
    const allowedTiers = person.ineligible.length > 0 ? [] : [{ id: person.offered, isDefault: true }];
    if (person.tier === undefined)
      return googleJson(200, { allowedTiers, ineligibleTiers: person.ineligible });
    const own = readString(body.cloudaicompanionProject) ?? person.projects[0];
    return googleJson(200, {
      currentTier: { id: person.tier, name: 'Code Assist' },
      allowedTiers,
      ...(own === undefined ? {} : { cloudaicompanionProject: own }),
    });
  },
  onboardUser({ json: body }, person) {
    if (!person.told || body.tierId !== person.offered || person.ineligible.length > 0)
      return googleRefusal(400, 'Precondition check failed.');
    if (person.offered === 'free-tier' && body.cloudaicompanionProject !== undefined)
      return googleRefusal(400, 'Precondition check failed.');
    if (person.waits-- > 0) return googleJson(200, { name: 'operations/onboard.1' });
    person.tier = person.offered;
    const id = readString(body.cloudaicompanionProject) ?? person.projects[0];
    const response = { '@type': 'OnboardUserResponse', cloudaicompanionProject: { id, name: id } };
    return googleJson(200, { name: 'operations/onboard.1', done: true, response });
  },
  retrieveUserQuota({ json: body }, person) {
    if (!person.projects.includes(String(body.project))) return googleRefusal(403, words[403]!);
    const buckets = Object.entries(person.quota).map(([modelId, left]) => ({
      modelId,
      tokenType: 'REQUESTS',
      resetTime: '2026-12-01T08:00:00Z',
      ...(left > 0 ? { remainingFraction: left, remainingAmount: String(left * 1000) } : {}),
    }));
    return googleJson(200, { buckets });
  },
  fetchAvailableModels(_, person) {
    const models = Object.entries(person.quota).map(([name, left]) => [
      name,
      {
        displayName: name.toUpperCase(),
        maxTokens: 200_000,
        maxOutputTokens: 64_000,
        quotaInfo: { resetTime: '2026-12-01T08:00:00Z', ...(left > 0 ? { remainingFraction: left } : {}) },
      },
    ]);
    return googleJson(200, { models: { ...Object.fromEntries(models), tab_flash_lite: {} } });
  },
};
