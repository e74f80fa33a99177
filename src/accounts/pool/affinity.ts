/** Conversations that are remembered at a time; the one asked about longest ago makes room. */
const most = 50_000;

/**
 * As long as there are fewer, nobody's turn to make room is near, and their order is left alone: what moves in a small Map
 * all the time leaves a chain of tables behind that only a full collection takes away.
 */
const crowded = most / 2;

interface Binding {
  /** Which seat served it: an account and an upstream model. */
  seat: string;
  untilMs: number;
}

/**
 * Which credential a conversation was served by last, so that it finds its prompt cache again. It lives as long as the
 * program and knows ids only, so a reload leaves it alone.
 */
export class Affinity {
  /**
   * By a hash of the conversation. About one in a hundred thousand has the hash of another and is taken for it, which costs
   * it no more than its cache.
   */
  private readonly bindings = new Map<number, Binding>();

  /** The seat of a conversation, unless it is too long ago. */
  find(conversation: number, nowMs: number): string | undefined {
    const binding = this.bindings.get(conversation);
    return binding && binding.untilMs > nowMs ? binding.seat : undefined;
  }

  bind(conversation: number, seat: string, untilMs: number): void {
    const { bindings } = this;
    const known = bindings.get(conversation);
    const binding = known ?? { seat, untilMs };
    binding.seat = seat;
    binding.untilMs = untilMs;
    if (known && bindings.size < crowded) return;
    bindings.delete(conversation);
    bindings.set(conversation, binding);
    if (bindings.size <= most) return;
    for (const oldest of bindings.keys()) {
      bindings.delete(oldest);
      return;
    }
  }
}
