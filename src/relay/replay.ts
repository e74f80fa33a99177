import type { ChatRequest, Message, Part, Reasoning, ReasoningPart, Seal } from '../core/request.ts';
import type { Drop } from '../protocols/protocol.ts';
import { anchorsOf } from './anchors.ts';
import type { Errand } from './errand.ts';
import type { Attempt } from './plan.ts';
import type { Turn } from './recall.ts';
import { unsealed } from './refused.ts';
import { textOf } from './session.ts';
import { weave } from './weave.ts';

/** A request for one attempt: no seal in its history is known to fail there, and what its client dropped is back. */
export interface Replay {
  readonly request: ChatRequest;
  /** The turns of the memory that something was taken from. */
  readonly recalled: ReadonlySet<Turn>;
}

/** Fits the thoughts of a request's history to an attempt. What cannot go back is left out whole, and reported. */
export function replay(errand: Errand, attempt: Attempt): Replay {
  const request = errand.chat();
  const recalled = new Set<Turn>();
  const putBack = putting(errand, request, attempt, recalled);
  let opening = '';
  const messages = request.messages.map((message): Message => {
    if (putBack && message.role === 'user') opening = textOf(message.parts) || opening;
    if (message.role !== 'assistant') return message;
    const own = returnable(message.parts, attempt, errand.drop);
    const parts = putBack ? putBack(own, opening) : own;
    return parts === message.parts ? message : { ...message, parts };
  });
  const changed = messages.some((message, index) => message !== request.messages[index]);
  return { request: changed ? { ...request, messages } : request, recalled };
}

/** How what was dropped is put back into a message of the model; undefined when there is nothing to put back. */
function putting(errand: Errand, request: ChatRequest, attempt: Attempt, recalled: Set<Turn>) {
  const { tools, exchange, session } = errand;
  const { tenant = '' } = exchange;
  const wish = tools.recall.knows(tenant) ? wishOf(errand, request, attempt) : undefined;
  if (!wish) return undefined;
  const { reads, words } = wish;
  /** A client may split an answer into several messages; each thought goes back once. */
  const given = new Set<Part>();
  const seal = (mark: Seal) => reads(mark) && mayReturn(mark, attempt);
  return (own: readonly Part[], opening: string): readonly Part[] => {
    const turns = new Set(
      anchorsOf(own, { session, opening }).map((name) => tools.recall.find(tenant, name)),
    );
    const thinks = own.some((part) => isThought(part, wish));
    let parts = own;
    for (const turn of turns) {
      if (!turn) continue;
      const asWords = words && isSameModel(turn.model, attempt);
      const thought = (part: ReasoningPart) =>
        !thinks && !given.has(part) && (part.seal ? seal(part.seal) : asWords);
      const woven = weave(parts, turn, { thought, seal });
      if (woven === parts) continue;
      recalled.add(turn);
      for (const part of woven) given.add(part);
      parts = woven;
    }
    return parts;
  };
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

const isSameModel = (model: string, attempt: Attempt): boolean => undated(model) === undated(attempt.model);

/** A model's name without the date of its release, which aliases leave out. */
const undated = (model: string): string => model.toLowerCase().replace(/[-@](?:\d{8}|latest)$/, '');

/** The parts without what must not go to an attempt: a thought goes whole, of anything else only its seal. */
function returnable(parts: readonly Part[], attempt: Attempt, drop: Drop): readonly Part[] {
  const isStrange = (part: Part) =>
    'seal' in part && part.seal !== undefined && !mayReturn(part.seal, attempt);
  if (!parts.some(isStrange)) return parts;
  return parts.flatMap((part): readonly Part[] => {
    if (!isStrange(part)) return [part];
    drop(`${part.kind}: sealed for another model or credential`);
    return part.kind === 'reasoning' ? [] : [unsealed(part)];
  });
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
