import { readNumber, readObject, readObjects, readString, type Json } from '../../src/core/json.ts';
import { camelKeys, geminiFault, generationIn } from './gemini-checks.ts';
import { piecesOf, type Asked, type Turn } from './script.ts';
import { keyOf, madeUp, simulator, type Refusal, type Simulator, type Vendor } from './simulator.ts';
import type { Received } from './wire-server.ts';

/**
 * A provider that speaks GenerateContent as Google does, at the Gemini API's paths and at Vertex AI's: chats, counts,
 * embeds, lists. Names tell the generation: `gemini-3-sim` signs its calls and wants them back signed, `gemini-2-sim`
 * refuses what older models refuse.
 */
export const geminiUpstream = (): Simulator => simulator(geminiVendor());

const path = /^\/v1(?:beta1?)?(?:\/publishers\/google)?\/models\/([^:]+):(\w+)$/;

const modelOf = (received: Received): string => decodeURIComponent(path.exec(received.path)?.[1] ?? '');
const verbOf = (received: Received): string | undefined => path.exec(received.path)?.[2];

/** How Google checks and speaks; other places of Google's wrap it. @param secret what it signs with. */
export function geminiVendor(secret: string = crypto.randomUUID()): Vendor {
  const sign = (what: string) => new Bun.CryptoHasher('sha256', secret).update(what).digest('base64');
  return {
    authorize(received, keys) {
      const key = keyOf(received);
      if (received.headers.get('authorization'))
        return refusal(401, 'Request had invalid authentication credentials.');
      if (!key) return refusal(403, words[403]!);
      return keys.has(key) ? undefined : keyRefusal();
    },
    other(received) {
      const verb = verbOf(received);
      if (received.method === 'POST' && (verb === 'generateContent' || verb === 'streamGenerateContent'))
        return undefined;
      if (received.method === 'POST' && verb === 'countTokens') return counted(received, sign);
      if (received.method === 'POST' && verb === 'batchEmbedContents') return embedded(received);
      if (received.path === '/v1beta/models')
        return googleJson(200, {
          models: [{ name: 'models/gemini-3-sim', version: '3', displayName: 'Gemini Sim' }],
        });
      return refusal(404, `models/${modelOf(received)} is not found for API version v1beta.`);
    },
    check(received) {
      if (Object.keys(received.json).length === 0)
        return refusal(400, 'Invalid JSON payload received. Unexpected token.');
      // Without it Google streams a JSON array, which this gateway never asks for.
      if (verbOf(received) === 'streamGenerateContent' && !/[?&]alt=sse(&|$)/.test(received.url))
        return refusal(400, 'This simulator streams server-sent events only: alt=sse is missing.');
      const fault = geminiFault(received.json, modelOf(received), sign);
      return fault === undefined ? undefined : refusal(400, fault);
    },
    streams: (received) => verbOf(received) === 'streamGenerateContent',
    asked: ({ json: body }) => asked(body),
    stream: (turn, received) =>
      chunks(turn, received, sign).map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`),
    closing: 1,
    opening: 0,
    whole: (turn, received) => JSON.stringify(wholeAnswer(turn, received, sign)),
    refusal: (status) => refusal(status, words[status] ?? 'An internal error has occurred.'),
    errorFrame: () => `data: ${refusal(503, words[503]!).body}\r\n\r\n`,
  };
}

// --------------------------------------------------------------------------------------------------------- refusals

const words: Readonly<Record<number, string>> = {
  401: 'Request had invalid authentication credentials.',
  403: "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
  404: 'models/gemini-3-sim is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods.',
  429: 'You exceeded your current quota, please check your plan and billing details.\nPlease retry in 7s.',
  500: 'An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting',
  503: 'The model is overloaded. Please try again later.',
};

const statuses: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE',
};

/** A refusal in Google's shape. */
export function googleRefusal(status: number, message: string, details: readonly Json[] = []): Refusal {
  const error = { code: status, message, status: statuses[status] ?? 'INTERNAL' };
  return googleJson(status, { error: details.length > 0 ? { ...error, details } : error });
}

const refusal = (status: number, message: string, details: readonly Json[] = []): Refusal =>
  googleRefusal(status, message, status === 429 ? [...details, ...quotaDetails] : details);

const quotaDetails: readonly Json[] = [
  {
    '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
    violations: [{ quotaId: 'GenerateRequestsPerMinutePerProjectPerModel-FreeTier', quotaValue: '10' }],
  },
  { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '7s' },
];

const keyRefusal = (): Refusal =>
  refusal(400, 'API key not valid. Please pass a valid API key.', [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'API_KEY_INVALID',
      domain: 'googleapis.com',
    },
  ]);

/** An answer of Google's servers. */
export const googleJson = (status: number, body: unknown): Refusal => ({
  status,
  headers: { 'content-type': 'application/json; charset=UTF-8', server: 'scaffolding on HTTPServer2' },
  body: JSON.stringify(body, null, 2),
});

// ----------------------------------------------------------------------------------------------------- other methods

function counted({ json: body, path: at }: Received, sign: (what: string) => string): Refusal {
  const wrapped = readObject(body.generateContentRequest);
  const stray = Object.keys(body).find((key) => key !== 'contents' && key !== 'generateContentRequest');
  if (stray && !at.includes('/publishers/'))
    return refusal(400, `Invalid JSON payload received. Unknown name "${stray}": Cannot find field.`);
  const { model, ...request } = wrapped ?? body;
  if (wrapped && !String(model).startsWith('models/')) return refusal(400, 'unexpected model name format');
  const fault = geminiFault(request, String(model ?? ''), sign);
  if (fault !== undefined) return refusal(400, fault);
  return googleJson(200, { totalTokens: 42, promptTokensDetails: [{ modality: 'TEXT', tokenCount: 42 }] });
}

function embedded(received: Received): Refusal {
  const requests = readObjects(received.json.requests);
  const named = `models/${modelOf(received)}`;
  if (requests.some((request) => request.model !== named))
    return refusal(400, `BatchEmbedContentsRequest.requests[0].model: must be ${named}`);
  return googleJson(200, { embeddings: requests.map(() => ({ values: [0.25, -0.5, 1] })) });
}

// -------------------------------------------------------------------------------------------------------- what it is asked

function asked(wire: Json): Asked {
  const body = camelKeys(wire);
  const contents = readObjects(body.contents);
  const partsOf = (content: Json | undefined) => readObjects(content?.parts).map(camelKeys);
  const last = partsOf(contents.at(-1));
  const user = contents.findLast((content) => content.role !== 'model' && textOf(partsOf(content)) !== '');
  const config = camelKeys(readObject(body.generationConfig) ?? {});
  const thinking = camelKeys(readObject(config.thinkingConfig) ?? {});
  const tools = readObjects(body.tools).flatMap((tool) => readObjects(camelKeys(tool).functionDeclarations));
  const schema = readObject(config.responseSchema) ?? readObject(config.responseJsonSchema);
  return {
    text: textOf(partsOf(user)),
    results: last.flatMap((part) => resultOf(readObject(part.functionResponse))),
    tools: tools.map((tool) => ({
      name: readString(tool.name) ?? '',
      schema: plainly(readObject(tool.parameters) ?? readObject(tool.parametersJsonSchema) ?? {}),
    })),
    images: last.flatMap(imageOf),
    thinking: thinking.includeThoughts === true && thinking.thinkingBudget !== 0,
    maxTokens: readNumber(config.maxOutputTokens) ?? 65_536,
    ...(config.responseMimeType === 'application/json' ? { json: schema ? plainly(schema) : true } : {}),
  };
}

/** Types as the script knows them. */
function plainly(schema: Json): Json {
  return JSON.parse(
    JSON.stringify(schema, (key, value: unknown) =>
      key === 'type' && typeof value === 'string' ? value.toLowerCase() : value,
    ),
  ) as Json;
}

const textOf = (parts: readonly Json[]): string => parts.map((part) => readString(part.text) ?? '').join('');

function resultOf(response: Json | undefined): string[] {
  const value = readObject(response?.response);
  if (!value) return [];
  const only = Object.values(value);
  return [only.length === 1 && typeof only[0] === 'string' ? only[0] : JSON.stringify(value)];
}

function imageOf(part: Json): Asked['images'] {
  const inline = readObject(part.inlineData);
  if (inline)
    return [{ mime: String(inline.mimeType), size: Buffer.from(String(inline.data), 'base64').length }];
  const file = readObject(part.fileData);
  return file ? [{ mime: 'image/url', size: String(file.fileUri).length }] : [];
}

// ------------------------------------------------------------------------------------------------------ what it says

/** The parts of a turn; from the third generation on the first call and the last text are signed. */
function partsOf(turn: Turn, model: string, sign: (what: string) => string): Json[] {
  const signs = generationIn(model) >= 3;
  const calls = turn.calls.map(({ name, args }, index): Json => {
    const functionCall = { ...(signs ? { id: madeUp('') } : {}), name, args: JSON.parse(args) as Json };
    return { functionCall, ...(signs && index === 0 ? { thoughtSignature: sign(`${name} ${args}`) } : {}) };
  });
  const last = signs && calls.length === 0 ? [{ text: '', thoughtSignature: sign('text') }] : [];
  return [
    ...(turn.thinking ? piecesOf(turn.thinking).map((text) => ({ text, thought: true })) : []),
    ...turn.words.map((text) => ({ text })),
    ...calls,
    ...last,
  ];
}

const reasons = { end: 'STOP', length: 'MAX_TOKENS', tool: 'STOP', refusal: 'SAFETY' } as const;

const usageOf = (turn: Turn): Json => {
  const candidates = turn.words.length + 4 * turn.calls.length;
  const thoughts = turn.thinking ? 6 : 0;
  return {
    promptTokenCount: 11,
    cachedContentTokenCount: 3,
    candidatesTokenCount: candidates,
    ...(thoughts > 0 ? { thoughtsTokenCount: thoughts } : {}),
    totalTokenCount: 11 + candidates + thoughts,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: 11 }],
  };
};

function wholeAnswer(turn: Turn, received: Received, sign: (what: string) => string): Json {
  const parts = merged(partsOf(turn, modelOf(received), sign));
  const content = parts.length > 0 ? { content: { parts, role: 'model' } } : {};
  return {
    candidates: [{ ...content, finishReason: reasons[turn.reason], index: 0 }],
    usageMetadata: usageOf(turn),
    modelVersion: modelOf(received),
    responseId: madeUp(''),
  };
}

/** A stream as Google sends it: a part a chunk, the reason with the last one, the usage in every one. */
function chunks(turn: Turn, received: Received, sign: (what: string) => string): Json[] {
  const envelope = { modelVersion: modelOf(received), responseId: madeUp('') };
  const parts = partsOf(turn, modelOf(received), sign);
  const said = parts.map((part) => ({
    candidates: [{ content: { parts: [part], role: 'model' }, index: 0 }],
    usageMetadata: { promptTokenCount: 11, totalTokenCount: 11 },
    ...envelope,
  }));
  const ending = {
    content: { parts: [{ text: '' }], role: 'model' },
    finishReason: reasons[turn.reason],
    index: 0,
  };
  return [...said, { candidates: [ending], usageMetadata: usageOf(turn), ...envelope }];
}

/** Whole answers hold a text in one part, with its signature. */
function merged(parts: readonly Json[]): Json[] {
  const out: Json[] = [];
  for (const part of parts) {
    const last = out.at(-1);
    const goesOn =
      typeof part.text === 'string' && typeof last?.text === 'string' && part.thought === last.thought;
    if (goesOn)
      out[out.length - 1] = { ...last, ...part, text: `${last.text as string}${part.text as string}` };
    else out.push(part);
  }
  return out;
}
