import type { ChatEvent, FinishReason, Reply } from '../../core/event.ts';
import { type Json, readNumber, readObjects, readString, unread } from '../../core/json.ts';
import { type Machine, machine, type Tell, type Teller } from '../../core/machine.ts';
import type { ChatRequest, Part } from '../../core/request.ts';
import type { Frame } from '../../wire/sse.ts';
import type { ClientCodec, Drop, Echo, RouteHint } from '../protocol.ts';
import { decodeSampling, hintOf } from './decode-request.ts';
import { done, interrupted, wantsUsage } from './encode-stream.ts';
import { encodeErrorBody } from './errors.ts';
import { encodeUsage, wireReasons } from './usage.ts';
import {
  answerId,
  invalid,
  optionalBoolean,
  optionalNumber,
  optionalString,
  ownExtra,
  protocolId,
  typeName,
} from './wire.ts';

/**
 * Legacy Completions, for clients that still speak it: the prompt becomes a message of the user, and of the answer only
 * its text is told. It cannot complete a text in the middle and cannot continue it word for word.
 */
export const completions: ClientCodec = { decodeRequest, encodeReply, encodeStream };

const known: ReadonlySet<string> = new Set([
  'model',
  'prompt',
  'stream',
  'suffix',
  'best_of',
  'max_tokens',
  'temperature',
  'top_p',
  'stop',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'n',
  'logprobs',
  'user',
  'echo',
]);

/** Stands in the own extra of a request that wants its prompt repeated; no field of the chat wire. */
const echoMark: unique symbol = Symbol('echo');

function decodeRequest(body: Json, hint: RouteHint): ChatRequest {
  const prompt = decodePrompt(body['prompt']);
  refuseOptions(body);
  const logprobs = optionalNumber(body, 'logprobs');
  const own = unread(body, known);
  const repeats = optionalBoolean(body, 'echo') ? { [echoMark]: true } : undefined;
  return {
    model: hint.model || hintOf(body).model,
    system: [],
    messages: [{ role: 'user', parts: [{ kind: 'text', text: prompt }] }],
    tools: [],
    sampling: {
      ...decodeSampling(body),
      logprobs: logprobs === undefined ? undefined : { top: logprobs },
    },
    stream: hint.stream,
    user: optionalString(body, 'user'),
    extra: own || repeats ? { [protocolId]: { ...own, ...repeats } } : {},
  };
}

function decodePrompt(value: unknown): string {
  const list = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  if (list.some((item) => typeof item === 'number' || Array.isArray(item)))
    throw invalid(
      'prompt',
      'is a list of token ids, which mean something only to the model that made them',
      'Send the prompt as text.',
    );
  const [prompt] = list;
  if (list.length > 1)
    throw invalid(
      'prompt',
      'holds several prompts',
      'Send one request for each of them, or use "n" for several answers.',
    );
  if (typeof prompt !== 'string' || prompt === '')
    throw invalid(
      'prompt',
      `must be a non-empty string, but is ${prompt === '' ? 'empty' : typeName(prompt)}`,
    );
  return prompt;
}

/** What a chat model cannot do is refused rather than ignored. */
function refuseOptions(body: Json): void {
  if (body['suffix'] !== undefined && body['suffix'] !== null && body['suffix'] !== '')
    throw invalid(
      'suffix',
      'is not possible: chat models do not fill in the middle of a text',
      'Leave suffix out.',
    );
  const best = optionalNumber(body, 'best_of') ?? 1;
  if (best > (optionalNumber(body, 'n') ?? 1))
    throw invalid(
      'best_of',
      'is not possible: only the upstream could choose the best',
      'Leave best_of out, or use n.',
    );
}

// ------------------------------------------------------------------------------------------------------------- answers

function encodeReply(reply: Reply, echo: Echo): Json {
  const prompt = repeatedPrompt(echo.request);
  const choices = [{ parts: reply.parts, reason: reply.reason }, ...(reply.others ?? [])];
  return {
    id: answerId(reply.id, echo.id, 'cmpl-'),
    object: 'text_completion',
    created: echo.createdAt,
    model: echo.model,
    choices: choices.map(({ parts, reason }, index) => ({
      index,
      text: prompt + textOf(parts, echo.drop),
      logprobs: encodeLogprobs(
        parts.flatMap((part) => (part.kind === 'text' ? (part.logprobs ?? []) : [])),
        prompt.length,
      ),
      finish_reason: encodeFinish(reason),
    })),
    usage: encodeUsage(reply.usage),
  };
}

/** No tools were offered, so a call is nothing this client could run. */
const encodeFinish = (reason: FinishReason): string => (reason === 'tool' ? 'stop' : wireReasons[reason]);

function repeatedPrompt({ extra, messages }: ChatRequest): string {
  if (!(echoMark in ownExtra(extra))) return '';
  const part = messages[0]?.parts[0];
  return part?.kind === 'text' ? part.text : '';
}

function textOf(parts: readonly Part[], drop: Drop): string {
  return parts
    .map((part) => {
      if (part.kind === 'text' || part.kind === 'refusal') return part.text;
      drop(`content: ${'tool' in part ? part.tool : part.kind}`);
      return '';
    })
    .join('');
}

/** The legacy form: parallel arrays, with the place of each token in the text. */
function encodeLogprobs(tokens: readonly Json[], offset: number): Json | null {
  if (tokens.length === 0) return null;
  const texts = tokens.map((token) => readString(token['token']) ?? '');
  let at = offset;
  return {
    tokens: texts,
    token_logprobs: tokens.map((token) => readNumber(token['logprob']) ?? null),
    top_logprobs: tokens.map((token) =>
      Object.fromEntries(
        readObjects(token['top_logprobs']).map((top) => [String(top['token']), top['logprob']]),
      ),
    ),
    text_offset: texts.map((text) => (at += text.length) - text.length),
  };
}

function encodeStream(echo: Echo): Machine<ChatEvent, Frame> {
  return machine((tell) => encodeEvents(echo, tell));
}

function encodeEvents(echo: Echo, tell: Tell<Frame>): Teller<ChatEvent> {
  const prompt = repeatedPrompt(echo.request);
  const lengths = new Map<number, number>();
  let id = answerId('', echo.id, 'cmpl-');
  let over = false;
  let open: { told: boolean; choice: number } | undefined;

  const frame = (rest: Json): Frame => ({
    data: JSON.stringify({
      id,
      object: 'text_completion',
      created: echo.createdAt,
      model: echo.model,
      ...rest,
    }),
  });
  const chunk = (
    index: number,
    text: string,
    logprobs: Json | null = null,
    finish: string | null = null,
  ): Frame => frame({ choices: [{ index, text, logprobs, finish_reason: finish }] });

  function begin(choice: number): void {
    if (lengths.has(choice)) return;
    lengths.set(choice, prompt.length);
    if (prompt !== '') tell(chunk(choice, prompt));
  }

  function say(text: string, tokens: readonly Json[] = []): void {
    if (!open?.told || (text === '' && tokens.length === 0)) return;
    const length = lengths.get(open.choice) ?? 0;
    lengths.set(open.choice, length + text.length);
    tell(chunk(open.choice, text, encodeLogprobs(tokens, length)));
  }

  function onFinish({ reason, others, usage }: Extract<ChatEvent, { type: 'finish' }>): void {
    for (const [index, why] of [reason, ...(others ?? [])].entries()) {
      begin(index);
      tell(chunk(index, '', null, encodeFinish(why)));
    }
    if (wantsUsage(echo.request)) tell(frame({ choices: [], usage: encodeUsage(usage) }));
    tell(done);
  }

  return {
    push(event) {
      if (over) return;
      switch (event.type) {
        case 'start':
          id = answerId(event.id, echo.id, 'cmpl-');
          return;
        case 'block-start': {
          const { head, choice = 0 } = event;
          open = { told: head.kind === 'text' || head.kind === 'refusal', choice };
          if (!open.told) echo.drop(`content: ${head.kind}`);
          return begin(choice);
        }
        case 'block-delta':
          return say(event.text, event.logprobs);
        case 'block':
          return echo.drop(`content: ${'tool' in event.part ? event.part.tool : event.part.kind}`);
        case 'block-end':
          open = undefined;
          return;
        case 'finish':
          over = true;
          return onFinish(event);
        case 'error':
          over = true;
          tell({ data: JSON.stringify(encodeErrorBody(event.error)) });
      }
    },
    end() {
      if (!over) tell({ data: JSON.stringify(encodeErrorBody(interrupted())) });
      over = true;
    },
  };
}
