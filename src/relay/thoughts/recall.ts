import type { ReasoningPart, Seal } from '../../core/request.ts';

/**
 * What of one answer its client may not bring back: thoughts, and the seals on what was said. What was said itself is
 * only named, so that it is found again in the client's own history.
 */
export interface Turn {
  /** The upstream's name of the model that answered, and the account that paid. */
  readonly model: string;
  readonly account: string;
  /** In the order of the answer. */
  readonly parts: readonly Kept[];
}

export type Kept =
  | ReasoningPart
  | { readonly kind: 'call'; readonly callId: string; readonly seal?: Seal }
  /** `hash` stands for the text; see `fingerprint`. */
  | { readonly kind: 'said'; readonly hash: string; readonly seal?: Seal };

/**
 * The memory for clients that drop reasoning between turns. It is small, in this process alone, and split by tenant:
 * nothing that one client key was told can be found under another.
 */
export interface Recall {
  /** Keeps a turn under each of its anchors; a newer turn with the same anchor takes its place. */
  remember(tenant: string, anchors: readonly string[], turn: Turn): void;
  /** The turn behind an anchor. Finding it keeps it from making room for others. */
  find(tenant: string, anchor: string): Turn | undefined;
  /** Forgets turns that turned out to be worthless. */
  forget(tenant: string, turns: Iterable<Turn>): void;
  /** Whether anything is kept for a tenant; asked before anything is looked for. */
  knows(tenant: string): boolean;
  /** How much is kept: turns, and about how many bytes. */
  readonly size: { readonly turns: number; readonly bytes: number };
}

export interface RecallLimits {
  readonly turns: number;
  readonly bytes: number;
  /** How long a turn is kept after it was last of use. */
  readonly ageMs: number;
}

const usualLimits: RecallLimits = { turns: 4_096, bytes: 16 * 1024 * 1024, ageMs: 2 * 3_600_000 };

interface Entry {
  readonly tenant: string;
  readonly anchors: readonly string[];
  readonly turn: Turn;
  readonly bytes: number;
  expiresAt: number;
}

/** @param now milliseconds since 1970. */
export function createRecall(now: () => number, limits: RecallLimits = usualLimits): Recall {
  const tenants = new Map<string, Map<string, Entry>>();
  /** All of them, the one that was of use longest ago first. */
  const entries = new Map<Turn, Entry>();
  let bytes = 0;

  function touch(entry: Entry): void {
    entry.expiresAt = now() + limits.ageMs;
    entries.delete(entry.turn);
    entries.set(entry.turn, entry);
  }

  function remove(entry: Entry): void {
    if (!entries.delete(entry.turn)) return;
    bytes -= entry.bytes;
    const anchored = tenants.get(entry.tenant);
    for (const anchor of entry.anchors) if (anchored?.get(anchor) === entry) anchored.delete(anchor);
    if (anchored?.size === 0) tenants.delete(entry.tenant);
  }

  /** The oldest go first, so the first that may stay ends it. */
  function makeRoom(): void {
    const nowMs = now();
    for (const entry of entries.values()) {
      const fits = entries.size <= limits.turns && bytes <= limits.bytes;
      if (fits && entry.expiresAt > nowMs) return;
      remove(entry);
    }
  }

  return {
    remember(tenant, anchors, turn) {
      const size = bytesOf(tenant, anchors, turn);
      if (size > limits.bytes || anchors.length === 0) return;
      let anchored = tenants.get(tenant);
      for (const anchor of anchors) {
        const former = anchored?.get(anchor);
        if (former) remove(former);
      }
      anchored = tenants.get(tenant) ?? new Map<string, Entry>();
      tenants.set(tenant, anchored);
      const entry: Entry = { tenant, anchors, turn, bytes: size, expiresAt: 0 };
      for (const anchor of anchors) anchored.set(anchor, entry);
      bytes += size;
      touch(entry);
      makeRoom();
    },
    find(tenant, anchor) {
      const entry = tenants.get(tenant)?.get(anchor);
      if (!entry) return undefined;
      if (entry.expiresAt <= now()) return void remove(entry);
      touch(entry);
      return entry.turn;
    },
    forget(tenant, turns) {
      for (const turn of turns) {
        const entry = entries.get(turn);
        if (entry?.tenant === tenant) remove(entry);
      }
    },
    knows: (tenant) => tenants.has(tenant),
    get size() {
      return { turns: entries.size, bytes };
    },
  };
}

/** What a text is known by: 64 bits of what it says, without the white space around it that clients trim. */
export const fingerprint = (text: string): string => Bun.hash(text.trim()).toString(36);

/** Maps, objects and strings cost about this much beside what they hold. */
const overhead = 400;

/** About the memory that a turn takes; a character may take two bytes. */
function bytesOf(tenant: string, anchors: readonly string[], { parts }: Turn): number {
  let characters = tenant.length;
  for (const anchor of anchors) characters += anchor.length + overhead / 4;
  for (const part of parts) {
    characters += part.seal ? part.seal.value.length + overhead / 4 : 0;
    if (part.kind === 'reasoning') characters += part.text.length;
  }
  return overhead + 2 * characters;
}
