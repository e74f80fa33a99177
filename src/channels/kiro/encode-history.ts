import { compact, type Json } from '../../core/json.ts';
import type { Message, ToolCallPart } from '../../core/request.ts';
import type { Drop } from '../../protocols/protocol.ts';
import { emptyTurn, type Given, resultContent, type Turn, turnsOf } from './turns.ts';
import { inputOf } from './wire.ts';

/** A conversation of the wire: what was said before, and the one message that is to be answered. */
export interface Conversation {
  readonly history: Json[];
  /** What the message that is to be answered says. */
  readonly current: UserMessage;
}

/** A message of the user before it is put into words of the wire. */
export interface UserMessage {
  readonly content: string;
  readonly images: readonly Json[];
  readonly results: readonly Json[];
}

/** What goes around the conversation. */
export interface Frame {
  readonly modelId: string;
  /** Before the first words of the user: the wire has no field for instructions, so every request carries them there. */
  readonly preface: string;
  /** After the last words of the user. */
  readonly instructions: readonly string[];
  readonly drop: Drop;
}

/**
 * A conversation as the service accepts it, which answers "Improperly formed request" to anything else: turns alternate
 * from the user to the user, nothing is empty, and each call has exactly one result, in the turn after it.
 */
export function encodeConversation(messages: readonly Message[], frame: Frame): Conversation {
  const { modelId, preface, instructions, drop } = frame;
  const turns = turnsOf(messages, drop);
  if (turns.at(-1)?.role !== 'user') turns.push(emptyTurn('user'));
  if (messages.at(-1)?.role === 'assistant') drop(`messages[${messages.length - 1}]: ${noPrefill}`);
  const history: Json[] = [];
  const fresh = wireIds();
  let open: Call[] = [];
  let current: UserMessage = { content: '', images: [], results: [] };
  for (const [index, turn] of turns.entries()) {
    if (turn.role === 'assistant') {
      open = turn.calls.map((part) => ({ ...part, wireId: fresh(part.callId) }));
      history.push({ assistantResponseMessage: assistantMessage(turn, open) });
      continue;
    }
    const last = index === turns.length - 1;
    const before = index === 0 && preface !== '' ? [preface] : [];
    const after = last ? instructions : [];
    current = userMessage(turn, open, { before, after, first: index === 0 && !last }, drop);
    if (!last) history.push(encodeUser(current, modelId));
    open = [];
  }
  return { history, current };
}

const noPrefill = 'an answer cannot be gone on with here; the model is asked to continue';

/** A message of the user in words of the wire. @param tools the tools that it may be answered with. */
export function encodeUser(message: UserMessage, modelId: string, tools?: readonly Json[]): Json {
  const { content, images, results } = message;
  const context = compact({
    tools: tools?.length ? tools : undefined,
    toolResults: results.length > 0 ? results : undefined,
  });
  return {
    userInputMessage: compact({
      content,
      modelId,
      origin: 'AI_EDITOR',
      images: images.length > 0 ? images : undefined,
      userInputMessageContext: Object.keys(context).length > 0 ? context : undefined,
    }),
  };
}

function assistantMessage({ texts }: Turn, calls: readonly Call[]): Json {
  const toolUses = calls.map(({ wireId, name, args }) => ({ toolUseId: wireId, name, input: inputOf(args) }));
  return compact({
    content: texts.join('\n\n') || '.',
    toolUses: toolUses.length > 0 ? toolUses : undefined,
  });
}

// ------------------------------------------------------------------------------------------ calls and their results

/** A call that was made, with its id on the wire. */
interface Call extends Pick<ToolCallPart, 'callId' | 'name' | 'args'> {
  readonly wireId: string;
}

interface Around {
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** It opens a history that goes on; where the user said nothing, it says as little as can be. */
  readonly first: boolean;
}

/**
 * A user's turn. A second result of a call replaces the first and is reported, a call without one gets a note that says
 * so, and a result without a call becomes text.
 */
function userMessage(turn: Turn, open: readonly Call[], around: Around, drop: Drop): UserMessage {
  const results = new Map<Call, Json>();
  const texts = [...turn.texts];
  const images = [...turn.images];
  for (const given of turn.results) {
    const { part, path } = given;
    const said = resultContent(given, drop);
    images.push(...said.images);
    const same = open.filter(({ callId }) => callId === part.callId);
    const call = same.find((candidate) => !results.has(candidate)) ?? same.at(-1);
    if (call && results.has(call)) drop(`${path}: an earlier result of the same call gave way to it`);
    if (call) results.set(call, encodeResult(call, said.texts, part.failed));
    else texts.push(orphan(given, said.texts));
  }
  const answers = open.map((call) => results.get(call) ?? encodeResult(call, [unanswered], true));
  const spoken = texts.length > 0 ? texts : [silence(answers, images, around.first)];
  return { content: [...around.before, ...spoken, ...around.after].join('\n\n'), images, results: answers };
}

/** The service refuses empty content; what stands for a user who said nothing. */
function silence(results: readonly Json[], images: readonly Json[], first: boolean): string {
  if (results.length > 0) return 'Tool results provided.';
  return first || images.length > 0 ? '.' : 'Continue';
}

function encodeResult({ wireId }: Call, texts: readonly string[], failed: boolean): Json {
  return {
    toolUseId: wireId,
    status: failed ? 'error' : 'success',
    content: [{ text: texts.join('\n') || '(no output)' }],
  };
}

const unanswered = 'No result was recorded for this call.';

function orphan({ part }: Given, texts: readonly string[]): string {
  return `${part.failed ? 'Error' : 'Result'} of tool call ${part.callId}:\n${texts.join('\n')}`;
}

/** Ids of the wire's alphabet and length, each given out once; the same conversation always gets the same ids. */
function wireIds(): (id: string) => string {
  const used = new Set<string>();
  return (id) => {
    const base = id.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, longestId) || 'tooluse';
    let candidate = base;
    for (let count = 2; used.has(candidate); count++) candidate = `${base.slice(0, longestId - 4)}_${count}`;
    used.add(candidate);
    return candidate;
  };
}

const longestId = 64;
