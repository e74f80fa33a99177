import {
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
  type Json,
} from '../../src/core/json.ts';
import { kiroAuth, kiroProfile } from './kiro-auth.ts';
import { kiroFault, type Caller, type KiroRefusal } from './kiro-checks.ts';
import { awsEvent, awsException } from './kiro-frames.ts';
import { piecesOf, turnFor, type Asked, type Turn } from './script.ts';

export { kiroProfile };

/** Something else than an ordinary answer. */
export type KiroTrouble =
  | { readonly status: number; readonly body: Json; readonly headers?: Readonly<Record<string, string>> }
  /** An exception inside the 200, after so many messages. */
  | { readonly exception: string; readonly message: string; readonly after: number }
  /** One byte of the stream is turned over. */
  | { readonly damageAt: number }
  /** The body ends after so many bytes, as HTTP wants it or not. */
  | { readonly cutAt: number }
  /** These messages instead of an answer. */
  | { readonly messages: readonly Uint8Array[] };

/** What it tells of the cost, and how it marks thoughts. */
export interface KiroManner {
  counts: 'told' | 'share' | 'none';
  thoughts: 'events' | 'tags';
}

export interface KiroSeen {
  readonly place: 'q' | 'codewhisperer';
  readonly headers: Headers;
  readonly body: Json;
}

/** Kiro's service on loopback, with the sign-in services beside it: what the real ones check, it checks. */
export function kiroUpstream(lifetime?: number) {
  const auth = kiroAuth(lifetime);
  const accepted: KiroSeen[] = [];
  /** What its checks refused, with the simulator's note: a gateway must never cause one by itself. */
  const refused: string[] = [];
  const next: KiroTrouble[] = [];
  const manner: KiroManner = { counts: 'told', thoughts: 'events' };

  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      const signed = await auth.answer(request, url);
      if (signed) return signed;
      const token = request.headers.get('authorization')?.replace(/^Bearer /, '') ?? '';
      const caller = auth.caller(token);
      if (!caller)
        return refusal({
          status: 403,
          type: 'AccessDeniedException',
          message: 'The bearer token included in the request is invalid.',
        });
      if (pathname === '/q/getUsageLimits') return Response.json(usageLimits(searchParams));
      if (pathname === '/q/ListAvailableModels') return listModels(searchParams, caller);
      const place = /^\/(q|codewhisperer)\/generateAssistantResponse$/.exec(pathname)?.[1];
      if (place !== 'q' && place !== 'codewhisperer') return new Response('Not found', { status: 404 });
      return generate(request, place, caller);
    },
  });
  const url = `http://127.0.0.1:${server.port}`;

  async function generate(request: Request, place: KiroSeen['place'], caller: Caller): Promise<Response> {
    const { headers } = request;
    const body = tryParseObject(await request.text()) ?? {};
    const target = headers.get('x-amz-target');
    const named = target === 'AmazonCodeWhispererStreamingService.GenerateAssistantResponse';
    if (place === 'codewhisperer' ? !named : target !== null)
      return refusal({ status: 400, type: 'UnknownOperationException', message: 'Unknown operation.' });
    if (!headers.get('content-type')?.startsWith('application/json'))
      return refusal({ status: 415, type: 'ValidationException', message: 'Unsupported content type.' });
    const trouble = next.shift();
    if (trouble && 'status' in trouble)
      return Response.json(trouble.body, { status: trouble.status, headers: { ...trouble.headers } });
    const fault = kiroFault(body, caller);
    if (fault) {
      refused.push(fault.why ?? fault.message);
      return refusal(fault);
    }
    accepted.push({ place, headers, body });
    return streamed(body, trouble);
  }

  function streamed(body: Json, trouble: KiroTrouble | undefined): Response {
    const told =
      trouble && 'messages' in trouble ? [...trouble.messages] : messagesOf(turnFor(asked(body)), manner);
    if (trouble && 'exception' in trouble)
      told.splice(trouble.after, Infinity, awsException(trouble.exception, { message: trouble.message }));
    const bytes = Buffer.concat(told);
    if (trouble && 'damageAt' in trouble) bytes[trouble.damageAt]! ^= 0x20;
    const sent = trouble && 'cutAt' in trouble ? bytes.subarray(0, trouble.cutAt) : bytes;
    return new Response(pieces(sent), {
      headers: {
        'content-type': 'application/vnd.amazon.eventstream',
        'x-amzn-requestid': crypto.randomUUID(),
      },
    });
  }

  return {
    url,
    auth,
    accepted,
    refused,
    next,
    manner,
    /** The channel's addresses, all of them here. */
    endpoints: {
      api: `${url}/q`,
      fallback: `${url}/codewhisperer`,
      oidc: `${url}/oidc`,
      social: `${url}/social`,
      start: `${url}/start`,
    },
    stop: () => server.stop(true),
  };
}

export type KiroUpstream = ReturnType<typeof kiroUpstream>;

function refusal({ status, type, message, reason }: KiroRefusal): Response {
  return Response.json(
    { __type: `com.amazon.aws.codewhisperer#${type}`, message, ...(reason ? { reason } : {}) },
    { status, headers: { 'x-amzn-errortype': `${type}:http://internal.amazon.com/` } },
  );
}

/** Bytes in pieces that never end where a message does. */
function pieces(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, (at += 61)));
    },
  });
}

function usageLimits(query: URLSearchParams): Json {
  return {
    daysUntilReset: 3,
    nextDateReset: 1_900_000_000,
    subscriptionInfo: { subscriptionTitle: 'KIRO SIMULATED' },
    usageBreakdownList: [
      {
        resourceType: 'CREDIT',
        displayName: 'Credit',
        currentUsage: 12,
        currentUsageWithPrecision: 12.5,
        usageLimit: 50,
        usageLimitWithPrecision: 50,
        freeTrialInfo: {
          freeTrialStatus: 'ACTIVE',
          freeTrialExpiry: 1_800_000_000,
          currentUsage: 100,
          usageLimit: 500,
        },
      },
    ],
    ...(query.get('isEmailRequired') === 'true'
      ? { userInfo: { email: 'Person@Example.com', userId: 'd-123.person' } }
      : {}),
  };
}

function listModels(query: URLSearchParams, caller: Caller): Response {
  if (query.get('origin') !== 'AI_EDITOR' || (query.get('profileArn') ?? undefined) !== caller.profileArn)
    return refusal({ status: 400, type: 'ValidationException', message: 'Improperly formed request.' });
  const row = (modelId: string, modelName: string) => ({
    modelId,
    modelName,
    supportedInputTypes: ['TEXT', 'IMAGE'],
    tokenLimits: { maxInputTokens: 200_000, maxOutputTokens: 64_000 },
  });
  if (!query.has('nextToken'))
    return Response.json({ models: [row('claude-sonnet-4.5', 'Claude Sonnet 4.5')], nextToken: 'more' });
  return Response.json({ models: [row('claude-haiku-4.5', 'Claude Haiku 4.5'), { modelId: 'qwen3-coder' }] });
}

// ------------------------------------------------------------------------------------------------------ the model

const current = (body: Json): Json =>
  readObject(readObject(readObject(body.conversationState)?.currentMessage)?.userInputMessage) ?? {};

function asked(body: Json): Asked {
  const message = current(body);
  const context = readObject(message.userInputMessageContext);
  const first = readObjects(readObject(body.conversationState)?.history)[0];
  const opening = readObject(first?.userInputMessage)?.content ?? message.content;
  return {
    text: readString(message.content) ?? '',
    results: readObjects(context?.toolResults).map((result) =>
      readObjects(result.content)
        .map((part) => String(part.text))
        .join(''),
    ),
    tools: readObjects(context?.tools).map((tool) => {
      const specification = readObject(tool.toolSpecification);
      return {
        name: readString(specification?.name) ?? '',
        schema: readObject(readObject(specification?.inputSchema)?.json) ?? {},
      };
    }),
    images: readObjects(message.images).map((image) => ({
      mime: `image/${String(image.format)}`,
      size: Buffer.from(String(readObject(image.source)?.bytes), 'base64').length,
    })),
    thinking: String(opening).includes('<thinking_mode>enabled</thinking_mode>'),
    maxTokens: readNumber(readObject(body.inferenceConfig)?.maxTokens) ?? Infinity,
  };
}

const stopReasons = { end: 'end_turn', length: 'max_tokens', tool: 'tool_use', refusal: 'content_filtered' };

/** An answer as the service streams it; events come flat or under their own name. */
export function messagesOf(turn: Turn, { counts, thoughts }: KiroManner): Uint8Array[] {
  const text = (content: string) => awsEvent('assistantResponseEvent', { content });
  const thought = turn.thinking === undefined ? [] : piecesOf(turn.thinking);
  const told: Uint8Array[] = [awsEvent('messageMetadataEvent', { conversationId: crypto.randomUUID() })];
  if (thought.length > 0 && thoughts === 'events') {
    told.push(...thought.map((piece) => awsEvent('reasoningContentEvent', { text: piece })));
    told.push(awsEvent('reasoningContentEvent', { reasoningContentEvent: { signature: 'EqQBsealed' } }));
  }
  if (thought.length > 0 && thoughts === 'tags')
    told.push(...piecesOf(`<thinking>${turn.thinking}</thinking>\n\n`).map(text));
  told.push(...turn.words.map(text));
  for (const { name, args } of turn.calls) {
    const toolUseId = `tooluse_${crypto.randomUUID().slice(0, 8)}`;
    told.push(awsEvent('toolUseEvent', { toolUseId, name }));
    for (const input of piecesOf(args)) told.push(awsEvent('toolUseEvent', { toolUseId, name, input }));
    told.push(awsEvent('toolUseEvent', { toolUseId, name, stop: true }));
  }
  if (counts !== 'none') told.push(awsEvent('messageStopEvent', { stopReason: stopReasons[turn.reason] }));
  if (counts === 'told')
    told.push(
      awsEvent('metadataEvent', {
        tokenUsage: {
          uncachedInputTokens: 8,
          cacheReadInputTokens: 3,
          cacheWriteInputTokens: 0,
          outputTokens: 7,
          totalTokens: 18,
        },
      }),
    );
  if (counts === 'share') told.push(awsEvent('contextUsageEvent', { contextUsagePercentage: 1.5 }));
  told.push(awsEvent('meteringEvent', { unit: 'credit', usage: 0.3 }));
  return told;
}
