/** Conversations that are remembered at a time; the one asked about longest ago makes room. */
const most = 50_000;

interface Binding {
  /** Which seat served it: an account and an upstream model. */
  readonly seat: string;
  readonly untilMs: number;
}

/**
 * Which credential a conversation was served by last, so that it finds its prompt cache again. It lives as long as the
 * program and knows ids only, so a reload leaves it alone.
 */
export class Affinity {
  /** By a hash of the conversation: its names are long, and clients choose them. */
  private readonly bindings = new Map<number | bigint, Binding>();

  /** The seat of a conversation, unless it is too long ago. */
  find(conversation: string, nowMs: number): string | undefined {
    const binding = this.bindings.get(Bun.hash(conversation));
    return binding && binding.untilMs > nowMs ? binding.seat : undefined;
  }

  bind(conversation: string, seat: string, untilMs: number): void {
    const key = Bun.hash(conversation);
    this.bindings.delete(key);
    this.bindings.set(key, { seat, untilMs });
    if (this.bindings.size <= most) return;
    for (const oldest of this.bindings.keys()) {
      this.bindings.delete(oldest);
      return;
    }
  }
}
