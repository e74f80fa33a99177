import Anthropic from '@anthropic-ai/sdk';
import { type Content, type GenerateContentResponse, GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';

/** What a vendor's own client library makes of an answer, in the words of its wire. */
export interface Heard {
  readonly text: string;
  readonly refusal: string;
  readonly calls: readonly { readonly name: string; readonly args: unknown }[];
  readonly reason: string;
  readonly usage: Counts;
}

/** Totals include their parts, whatever the wire says of it. */
export interface Counts {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly reasoning: number;
}

/** An answer as it comes over HTTP. */
export interface Given {
  readonly stream: boolean;
  readonly bytes: Uint8Array;
}

/** Lets the official library of a protocol read an answer through its own HTTP and its own accumulator. */
export function hear(protocol: string, given: Given): Promise<Heard> {
  const listen = listeners[protocol];
  if (!listen) throw new Error(`Tell test/recorded/heard.ts which library reads ${protocol}.`);
  return listen(given, async () => new Response(given.bytes, { headers: { 'content-type': types(given) } }));
}

const types = ({ stream }: Given) => (stream ? 'text/event-stream' : 'application/json');

type Fetch = () => Promise<Response>;

const listeners: Readonly<Record<string, (given: Given, fetch: Fetch) => Promise<Heard>>> = {
  'openai-chat': hearChat,
  'openai-responses': hearResponses,
  'anthropic-messages': hearMessages,
  gemini: hearGemini,
};

/** Arguments as the caller would parse them; a call without any has an empty object, and free text stays text. */
export function parsed(args: string): unknown {
  try {
    return JSON.parse(args || '{}');
  } catch {
    return args;
  }
}

const openai = (fetch: Fetch) =>
  new OpenAI({ apiKey: 'k', baseURL: 'http://localhost/v1', fetch, maxRetries: 0 });

async function hearChat({ stream }: Given, fetch: Fetch): Promise<Heard> {
  const { completions } = openai(fetch).chat;
  const asked = { model: 'm', messages: [{ role: 'user' as const, content: 'Hi' }] };
  const reply = stream
    ? await completions.stream({ ...asked, stream_options: { include_usage: true } }).finalChatCompletion()
    : await completions.create(asked);
  const { message, finish_reason } = reply.choices[0]!;
  const { usage } = reply;
  return {
    text: message.content ?? '',
    refusal: message.refusal ?? '',
    calls: (message.tool_calls ?? []).map((call) => {
      const { name, arguments: args } =
        call.type === 'custom' ? { ...call.custom, arguments: call.custom.input } : call.function;
      return { name, args: parsed(args) };
    }),
    reason: finish_reason,
    usage: {
      input: usage?.prompt_tokens ?? 0,
      output: usage?.completion_tokens ?? 0,
      cacheRead: usage?.prompt_tokens_details?.cached_tokens ?? 0,
      reasoning: usage?.completion_tokens_details?.reasoning_tokens ?? 0,
    },
  };
}

async function hearResponses({ stream }: Given, fetch: Fetch): Promise<Heard> {
  const { responses } = openai(fetch);
  const asked = { model: 'm', input: 'Hi' };
  const reply = stream ? await streamed(responses.stream(asked)) : await responses.create(asked);
  const content = reply.output.flatMap((item) => (item.type === 'message' ? item.content : []));
  return {
    text: content.map((part) => (part.type === 'output_text' ? part.text : '')).join(''),
    refusal: content.map((part) => (part.type === 'refusal' ? part.refusal : '')).join(''),
    calls: reply.output.flatMap((item) => {
      if (item.type === 'function_call') return [{ name: item.name, args: parsed(item.arguments) }];
      return item.type === 'custom_tool_call' ? [{ name: item.name, args: parsed(item.input) }] : [];
    }),
    reason: reply.incomplete_details?.reason ?? reply.status ?? 'completed',
    usage: {
      input: reply.usage?.input_tokens ?? 0,
      output: reply.usage?.output_tokens ?? 0,
      cacheRead: reply.usage?.input_tokens_details?.cached_tokens ?? 0,
      reasoning: reply.usage?.output_tokens_details?.reasoning_tokens ?? 0,
    },
  };
}

/** The final response, once its deltas, as the library puts them together, have spelled the same text and arguments. */
async function streamed(
  stream: ReturnType<OpenAI['responses']['stream']>,
): Promise<OpenAI.Responses.Response> {
  const spelled = new Map<string, string>();
  stream.on('response.output_text.delta', (event) => {
    spelled.set(`${event.output_index}.${event.content_index}`, event.snapshot);
  });
  stream.on('response.function_call_arguments.delta', (event) => {
    spelled.set(`${event.output_index}`, event.snapshot);
  });
  const final = await stream.finalResponse();
  for (const [at, item] of final.output.entries()) {
    if (item.type === 'function_call') agree(spelled.get(`${at}`) ?? '', item.arguments, at);
    if (item.type !== 'message') continue;
    for (const [index, part] of item.content.entries())
      if (part.type === 'output_text') agree(spelled.get(`${at}.${index}`) ?? '', part.text, at);
  }
  return final;
}

function agree(spelled: string, final: string, at: number): void {
  if (spelled !== final)
    throw new Error(
      `output[${at}] was streamed as ${JSON.stringify(spelled)} and ended as ${JSON.stringify(final)}`,
    );
}

async function hearMessages({ stream }: Given, fetch: Fetch): Promise<Heard> {
  const { messages } = new Anthropic({ apiKey: 'k', baseURL: 'http://localhost', fetch, maxRetries: 0 });
  const asked = { model: 'm', max_tokens: 100, messages: [{ role: 'user' as const, content: 'Hi' }] };
  const reply = stream ? await messages.stream(asked).finalMessage() : await messages.create(asked);
  const { usage } = reply;
  const cacheRead = usage.cache_read_input_tokens ?? 0;
  return {
    text: reply.content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    refusal: '',
    calls: reply.content.flatMap((block) =>
      block.type === 'tool_use' ? [{ name: block.name, args: block.input }] : [],
    ),
    reason: reply.stop_reason ?? '',
    usage: {
      input: usage.input_tokens + cacheRead + (usage.cache_creation_input_tokens ?? 0),
      output: usage.output_tokens,
      cacheRead,
      reasoning: usage.output_tokens_details?.thinking_tokens ?? 0,
    },
  };
}

async function hearGemini({ stream }: Given, fetch: Fetch): Promise<Heard> {
  const { models } = new GoogleGenAI({ apiKey: 'k', httpOptions: { fetch } });
  const asked = { model: 'm', contents: 'Hi' };
  const chunks: GenerateContentResponse[] = [];
  if (stream) for await (const chunk of await models.generateContentStream(asked)) chunks.push(chunk);
  else chunks.push(await models.generateContent(asked));
  const firsts = chunks.flatMap(({ candidates }) => candidates?.filter(({ index }) => !index) ?? []);
  const parts = firsts.flatMap(({ content }: { content?: Content }) => content?.parts ?? []);
  const usage = chunks.map(({ usageMetadata }) => usageMetadata).findLast(Boolean);
  const thoughts = usage?.thoughtsTokenCount ?? 0;
  return {
    text: parts.map((part) => (part.thought ? '' : (part.text ?? ''))).join(''),
    refusal: '',
    calls: parts.flatMap(({ functionCall }) =>
      functionCall ? [{ name: functionCall.name ?? '', args: functionCall.args ?? {} }] : [],
    ),
    reason:
      firsts.map(({ finishReason }) => finishReason as string | undefined).findLast(Boolean) ??
      chunks.flatMap(({ promptFeedback }) => promptFeedback?.blockReason ?? []).map(() => 'SAFETY')[0] ??
      '',
    usage: {
      input: (usage?.promptTokenCount ?? 0) + (usage?.toolUsePromptTokenCount ?? 0),
      output: (usage?.candidatesTokenCount ?? 0) + thoughts,
      cacheRead: usage?.cachedContentTokenCount ?? 0,
      reasoning: thoughts,
    },
  };
}
