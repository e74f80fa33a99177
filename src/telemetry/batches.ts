/** Lines on their way to a slow place: collected for a moment, then written together, one write at a time. */
export interface Batches {
  add(line: string): void;
  /** Hands everything over at once, without waiting: for the last moment of a process. */
  flush(): void;
  /** Resolves when everything added so far has been written. */
  drained(): Promise<void>;
  /** Lines given up because the place took none for too long. */
  readonly lost: number;
}

export interface BatchOptions {
  /** Takes whole lines, each with its line end. A promise holds back the next batch; what it rejects with is ignored. */
  write(text: string): void | Promise<void>;
  /** The same without waiting. */
  writeNow(text: string): void;
  /** How long a line may wait for company. */
  readonly delayMs?: number;
}

/** A batch is written early when it has grown to this many characters. */
const fullAt = 64 * 1024;
/** More than this is never kept for a place that does not take it. */
const mostPending = 8 * 1024 * 1024;

export function batches({ write, writeNow, delayMs = 50 }: BatchOptions): Batches {
  let pending: string[] = [];
  let size = 0;
  let lost = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let writing: Promise<void> | undefined;

  function take(): string {
    clearTimeout(timer);
    timer = undefined;
    const text = pending.length > 0 ? `${pending.join('\n')}\n` : '';
    pending = [];
    size = 0;
    return text;
  }

  function start(): void {
    const text = take();
    if (text === '') return;
    const written = write(text);
    if (!written) return;
    writing = written
      .catch(() => {})
      .then(() => {
        writing = undefined;
        if (size >= fullAt) start();
        else if (size > 0) timer ??= setTimeout(start, delayMs);
      });
  }

  return {
    add(line) {
      if (size + line.length > mostPending) {
        lost++;
        return;
      }
      pending.push(line);
      size += line.length + 1;
      if (writing) return;
      if (size >= fullAt) start();
      else timer ??= setTimeout(start, delayMs);
    },
    flush() {
      const text = take();
      if (text !== '') writeNow(text);
    },
    async drained() {
      while (writing || size > 0) {
        if (!writing) start();
        await writing;
      }
    },
    get lost() {
      return lost;
    },
  };
}
