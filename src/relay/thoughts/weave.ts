import type { Part, ReasoningPart, Seal } from '../../core/request.ts';
import { fingerprint, type Kept, type Turn } from './recall.ts';

/** Which of the things that a turn's client has dropped are to be put back. */
export interface Wanted {
  thought(thought: ReasoningPart): boolean;
  seal(seal: Seal): boolean;
}

/**
 * The parts of a message with the thoughts and seals of the turn that they come from; the very same when there are none
 * to put back. A thought goes before whatever it led to, and what the turn began with goes before everything, because
 * clients move words and calls about.
 */
export function weave(parts: readonly Part[], turn: Turn, wanted: Wanted): readonly Part[] {
  const { thoughts, seals } = placesIn(parts, turn, wanted);
  if (thoughts.size === 0 && seals.size === 0) return parts;
  const woven: Part[] = [];
  for (const [index, part] of parts.entries()) {
    const seal = seals.get(index);
    woven.push(...(thoughts.get(index) ?? []));
    // The client's own copy of a thought that has lost its seal.
    if (part.kind === 'reasoning' && !part.seal && thoughts.size > 0) continue;
    woven.push(seal ? ({ ...part, seal } as Part) : part);
  }
  return [...woven, ...(thoughts.get(parts.length) ?? [])];
}

interface Places {
  /** Thoughts by the index of the part that they go before. */
  readonly thoughts: ReadonlyMap<number, readonly ReasoningPart[]>;
  /** Seals by the index of the part that lost it. */
  readonly seals: ReadonlyMap<number, Seal>;
}

function placesIn(parts: readonly Part[], turn: Turn, wanted: Wanted): Places {
  const thoughts = new Map<number, ReasoningPart[]>();
  const seals = new Map<number, Seal>();
  const found = new Set<number>();
  let leading: ReasoningPart[] = [];
  let waiting: ReasoningPart[] = [];
  let begun = false;

  function place(index: number): void {
    const front = found.size === 0 ? 0 : index;
    for (const thought of leading) add(thoughts, front, thought);
    for (const thought of waiting) add(thoughts, index, thought);
    leading = [];
    waiting = [];
  }

  for (const kept of turn.parts) {
    if (kept.kind === 'reasoning') {
      if (wanted.thought(kept)) (begun ? waiting : leading).push(kept);
      continue;
    }
    begun = true;
    const index = parts.findIndex((part, at) => !found.has(at) && isSame(part, kept));
    if (index < 0) continue;
    place(index);
    found.add(index);
    if (kept.seal && !sealOf(parts[index]) && wanted.seal(kept.seal)) seals.set(index, kept.seal);
  }
  place(found.size > 0 ? Math.max(...found) + 1 : 0);
  return { thoughts, seals };
}

function add(thoughts: Map<number, ReasoningPart[]>, index: number, thought: ReasoningPart): void {
  const there = thoughts.get(index);
  if (there) there.push(thought);
  else thoughts.set(index, [thought]);
}

const sealOf = (part: Part | undefined): Seal | undefined => (part && 'seal' in part ? part.seal : undefined);

function isSame(part: Part, kept: Exclude<Kept, ReasoningPart>): boolean {
  if (kept.kind === 'call') return part.kind === 'tool-call' && part.callId === kept.callId;
  return part.kind === 'text' && fingerprint(part.text) === kept.hash;
}
