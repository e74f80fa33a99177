import type { Json } from '../core/json.ts';

/** One open WebSocket, as others see it. */
export interface Line {
  /** Whose it is; see `gate.ts`. */
  readonly tenant: string;
  /** The conversation up to an answer that was given on it, while it can be continued. */
  recall(id: string): readonly Json[] | undefined;
  /** Whether a turn is being answered. */
  readonly busy: boolean;
  /** Says goodbye: at once, or when the turn has ended. */
  leave(): void;
}

/** The WebSockets that are open. */
export class Sockets {
  private readonly lines = new Set<Line>();
  private leaving = false;

  /** Whether the program is stopping, and nobody new is let in. */
  get closing(): boolean {
    return this.leaving;
  }

  /** How many of them are in the middle of an answer. */
  get busy(): number {
    return [...this.lines].filter(({ busy }) => busy).length;
  }

  add(line: Line): void {
    this.lines.add(line);
    if (this.leaving) line.leave();
  }

  delete(line: Line): void {
    this.lines.delete(line);
  }

  /**
   * The conversation up to an answer that was given on another line of the same client. A client that lost its
   * connection is often back before we have noticed.
   */
  recall(tenant: string, id: string): readonly Json[] | undefined {
    for (const line of this.lines) {
      const found = line.tenant === tenant ? line.recall(id) : undefined;
      if (found) return found;
    }
    return undefined;
  }

  /** Lets every line go when its turn is over. */
  close(): void {
    this.leaving = true;
    for (const line of this.lines) line.leave();
  }
}
