import type { ChatRequest, Message, Part, Reasoning, ReasoningPart, Seal } from '../../core/request.ts';
import type { Drop } from '../../protocols/protocol.ts';
import { anchorsOf, type Place } from './anchors.ts';
import type { Errand } from '../errand.ts';
import type { Attempt } from '../routing/plan.ts';
import type { Turn } from './recall.ts';
import { unsealed } from './refused.ts';
import { textOf } from '../session.ts';
import { weave } from './weave.ts';

/** A request for one attempt: no seal in its history is known to fail there, and what its client dropped is back. */
export interface Replay {
  readonly request: ChatRequest;
  /** The turns of the memory that something was taken from. */
  readonly recalled: ReadonlySet<Turn>;
}

const nothing: ReadonlySet<Turn> = new Set();

/** Fits the thoughts of a request's history to an attempt. What cannot go back is left out whole, and reported. */
export function replay(errand: Errand, attempt: Attempt): Replay {
  const { tools, exchange, drop } = errand;
  const said = errand.chat();
  const request = holdsStrange(said, attempt) ? withoutStrange(said, attempt, drop) : said;
  const wish = tools.recall.knows(exchange.tenant ?? '') ? wishOf(errand, request, attempt) : undefined;
  return wish ? putBack(errand, request, attempt, wish) : { request, recalled: nothing };
}

/** The request with what its client has dropped, as far as it is remembered. */
function putBack(errand: Errand, request: ChatRequest, attempt: Attempt, wish: Wish): Replay {
  const recalled = new Set<Turn>();
  /** A client may split an answer into several messages; each thought goes back once. */
  const given = new Set<Part>();
  const seal = (mark: Seal) => wish.reads(mark) && mayReturn(mark, attempt);
  const place = { session: () => errand.session(), opening: '' };

  function woven(own: readonly Part[]): readonly Part[] {
    let parts = own;
    for (const turn of turnsBehind(own, errand, place)) {
      const thinks = own.some((part) => isThought(part, wish));
      const asWords = wish.words && isSameModel(turn.model, attempt);
      const thought = (part: ReasoningPart) =>
        !thinks && !given.has(part) && (part.seal ? seal(part.seal) : asWords);
      const more = weave(parts, turn, { thought, seal });
      if (more === parts) continue;
      recalled.add(turn);
      for (const part of more) given.add(part);
      parts = more;
    }
    return parts;
  }

  const messages = request.messages.map((message): Message => {
    if (message.role === 'user') place.opening = textOf(message.parts) || place.opening;
    if (message.role !== 'assistant') return message;
    const parts = woven(message.parts);
    return parts === message.parts ? message : { ...message, parts };
  });
  return { request: recalled.size > 0 ? { ...request, messages } : request, recalled };
}

/** The remembered turns that the parts of a message come from. */
function turnsBehind(parts: readonly Part[], { tools, exchange }: Errand, place: Place): readonly Turn[] {
  const turns: Turn[] = [];
  for (const name of anchorsOf(parts, place)) {
    const turn = tools.recall.find(exchange.tenant ?? '', name);
    if (turn && !turns.includes(turn)) turns.push(turn);
  }
  return turns;
}

// ------------------------------------------------------------------------------------------- which seals may go back

/**
 * Vendors whose seals hold for every account. Whatever is not named here goes back only to the account it was made for:
 * OpenAI answers `invalid_encrypted_content` to another organisation's reasoning, and Google "Thought signature is not
 * valid" to another account's. Anthropic's are good for every key; where a model of its binds them to an account, the API
 * leaves a stranger's block out by itself (docs: preserved thinking).
 *
 * No seal goes to another model. A Claude reads its own thoughts and those of few others (docs: preserved thinking,
 * switching models), and neither OpenAI nor Google promises even that.
 */
const anyAccount: ReadonlySet<string> = new Set(['anthropic']);

/** Whether a seal may go to an attempt, as far as its origin is known; where it is not, the upstream is the judge. */
export function mayReturn({ issuer, model, account }: Seal, attempt: Attempt): boolean {
  if (model !== undefined && !isSameModel(model, attempt)) return false;
  return account === undefined || account === attempt.account.id || anyAccount.has(issuer);
}

const isSameModel = (model: string, attempt: Attempt): boolean =>
  model === attempt.model || undated(model) === undated(attempt.model);

/** A model's name without the date of its release, which aliases leave out. */
const undated = (model: string): string => model.toLowerCase().replace(/[-@](?:\d{8}|latest)$/, '');

const isStrange = (part: Part, attempt: Attempt): boolean =>
  'seal' in part && part.seal !== undefined && !mayReturn(part.seal, attempt);

function holdsStrange({ messages }: ChatRequest, attempt: Attempt): boolean {
  for (const { role, parts } of messages)
    if (role === 'assistant') for (const part of parts) if (isStrange(part, attempt)) return true;
  return false;
}

/** The request without what must not go to an attempt: a thought goes whole, of anything else only its seal. */
function withoutStrange(request: ChatRequest, attempt: Attempt, drop: Drop): ChatRequest {
  const returnable = (part: Part): readonly Part[] => {
    if (!isStrange(part, attempt)) return [part];
    drop(`${part.kind}: sealed for another model or credential`);
    return part.kind === 'reasoning' ? [] : [unsealed(part)];
  };
  const messages = request.messages.map((message): Message =>
    message.role === 'assistant' ? { ...message, parts: message.parts.flatMap(returnable) } : message,
  );
  return { ...request, messages };
}

// ------------------------------------------------------------------------------------------------ what is wanted back

/** Which thoughts an attempt wants back that its client has dropped. */
interface Wish {
  /** Those with such a seal. */
  readonly reads: (seal: Seal) => boolean;
  /** Those without any. */
  readonly words: boolean;
}

/** A thought that the client itself brought back, as the attempt wants it. */
const isThought = (part: Part, { reads, words }: Wish): boolean =>
  part.kind === 'reasoning' && (part.seal ? reads(part.seal) : words && part.text !== '');

/** DeepSeek and Kimi refuse a call of the history without the `reasoning_content` that it came with. */
export const wantsWords = ({ connection }: Attempt): boolean => connection.dialect === 'reasoning-history';

/** What an attempt wants back; undefined when nothing. */
function wishOf({ plan, exchange, body }: Errand, request: ChatRequest, attempt: Attempt): Wish | undefined {
  const { protocol, connection } = attempt;
  switch (protocol.id) {
    case 'openai-chat': {
      const all = connection.dialect === 'reasoning-details';
      return { words: wantsWords(attempt), reads: ({ issuer }) => all || issuer === 'gemini' };
    }
    case 'openai-responses':
      // Where the server keeps the conversation, a client of its own sends only what is new.
      if (protocol === exchange.protocol && body['store'] !== false) return undefined;
      break;
    case 'anthropic-messages':
      if (isOff(plan.reasoning ?? request.reasoning)) return undefined;
  }
  const issuers = [protocol.issuer, connection.dialect];
  return { words: false, reads: ({ issuer }) => issuers.includes(issuer) };
}

const isOff = (reasoning: Reasoning | undefined): boolean =>
  reasoning?.effort === 'none' || (reasoning?.effort === undefined && reasoning?.budget === 0);
