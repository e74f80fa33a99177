import { compact, type Json } from '../../core/json.ts';
import type { ChatRequest, Message, Part, Seal, ToolCallPart, ToolResultPart } from '../../core/request.ts';
import type { Target } from '../protocol.ts';
import { encodeCall, encodeResult, encodeSpoken, encodeThought } from './encode-part.ts';
import { generationOf, issuer, vertex } from './wire.ts';

interface Turn {
  readonly role: 'user' | 'model';
  readonly parts: Json[];
}

/**
 * The conversation as Gemini wants it: turns that alternate, the user's first, and after a turn with calls one turn
 * that answers each of them in their order.
 */
export function encodeContents(request: ChatRequest, target: Target): readonly Turn[] {
  const turns: Turn[] = [];
  const say = (role: Turn['role'], parts: readonly Json[]) => {
    if (parts.length > 0) turns.push({ role, parts: [...parts] });
  };
  let calls: readonly ToolCallPart[] = [];
  for (const { assistant, messages } of runsOf(request.messages)) {
    if (assistant) {
      const parts = messages.flatMap((message) => message.parts);
      calls = parts.filter((part) => part.kind === 'tool-call');
      say('model', encodeModelTurn(parts, target));
      continue;
    }
    say('user', encodeUserTurn(calls, messages, target));
    calls = [];
  }
  say('user', answerAll(calls, [], target));
  return openedByUser(turns);
}

interface Run {
  readonly assistant: boolean;
  readonly messages: Message[];
}

/** Messages in a row of the model's, or of everybody else's: each run is one turn, so no result is far from its call. */
function runsOf(messages: readonly Message[]): readonly Run[] {
  const runs: Run[] = [];
  for (const message of messages) {
    const assistant = message.role === 'assistant';
    const last = runs.at(-1);
    if (last?.assistant === assistant) last.messages.push(message);
    else runs.push({ assistant, messages: [message] });
  }
  return runs;
}

/** Gemini wants a user's turn first, and at least one turn. */
function openedByUser(turns: readonly Turn[]): readonly Turn[] {
  return turns[0]?.role === 'user' ? turns : [{ role: 'user', parts: [{ text: ' ' }] }, ...turns];
}

// -------------------------------------------------------------------------------------------------- the user's turn

/** The results first, wherever they stood; then what else was said. */
function encodeUserTurn(
  calls: readonly ToolCallPart[],
  messages: readonly Message[],
  target: Target,
): readonly Json[] {
  const results = messages.flatMap(({ parts }) => parts.filter((part) => part.kind === 'tool-result'));
  return [
    ...answerAll(calls, results, target),
    ...messages.flatMap((message) => encodeWords(message, target)),
  ];
}

function encodeWords({ role, parts }: Message, target: Target): readonly Json[] {
  const words = parts
    .filter((part) => part.kind !== 'tool-result')
    .flatMap((part) => encodeSpoken(part, target));
  if (role !== 'system' || words.length === 0) return words;
  return [{ text: '<system-reminder>' }, ...words, { text: '</system-reminder>' }];
}

/**
 * The results of a turn of calls, one for each and in their order. A call without a result is answered with an empty
 * one; of two results for one call the later counts; a result of no call becomes text.
 */
function answerAll(
  calls: readonly ToolCallPart[],
  results: readonly ToolResultPart[],
  target: Target,
): readonly Json[] {
  const byId = new Map(results.map((result) => [result.callId, result]));
  const answered = calls.flatMap((call) => {
    const result = byId.get(call.callId);
    byId.delete(call.callId);
    return result ? encodeResult(result, call.name, target) : [unanswered(call, target)];
  });
  const orphans = [...byId.values()].flatMap((result) => [
    { text: `[Result of the tool call ${result.callId}]` },
    ...result.parts.flatMap((part) => encodeSpoken(part, target)),
  ]);
  return [...answered, ...orphans];
}

function unanswered({ callId, name }: ToolCallPart, { dialect }: Target): Json {
  const id = dialect === vertex ? undefined : callId || undefined;
  return { functionResponse: compact({ id, name, response: {} }) };
}

// ------------------------------------------------------------------------------------------------- the model's turn

/**
 * From Gemini 3 on, the first call of a turn must carry a thought signature, parallel ones after it need none; this
 * word, which Google documents for histories from elsewhere, stands for one.
 */
const unsigned = 'skip_thought_signature_validator';

function encodeModelTurn(parts: readonly Part[], target: Target): readonly Json[] {
  const signs = (generationOf(target.model) ?? 0) >= 3;
  let first = true;
  return reattached(parts).flatMap((part) => {
    if (part.kind === 'reasoning') return encodeThought(part, target);
    if (part.kind !== 'tool-call') return encodeSpoken(part, target);
    const call = encodeCall(part, target);
    const lacking = signs && first && call.thoughtSignature === undefined;
    first = false;
    return [lacking ? { ...call, thoughtSignature: unsigned } : call];
  });
}

/**
 * Protocols whose calls cannot carry a signature bring it as that of a thought without words. Gemini signs calls, never
 * such thoughts, so it goes back to the call that follows.
 */
function reattached(parts: readonly Part[]): readonly Part[] {
  let detached: Seal | undefined;
  return parts.flatMap((part, index) => {
    if (part.kind === 'reasoning' && part.text === '' && part.seal?.issuer === issuer) {
      if (!parts.slice(index).some(isUnsigned)) return [part];
      detached = part.seal;
      return [];
    }
    if (!detached || !isUnsigned(part)) return [part];
    const signed = { ...part, seal: detached };
    detached = undefined;
    return [signed];
  });
}

const isUnsigned = (part: Part): boolean => part.kind === 'tool-call' && part.seal?.issuer !== issuer;
