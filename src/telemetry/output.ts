import { writeSync } from 'node:fs';

/** A place for log text; see `BatchOptions`. */
export interface Output {
  write(text: string): Promise<void>;
  writeNow(text: string): void;
}

/**
 * Standard output. A reader that is slow holds back only the log; a reader that is gone ends it, never the program.
 * Bun calls back when the text has really left, also when the pipe was full.
 */
export function standardOutput(): Output {
  let gone = false;
  process.stdout.on('error', () => {
    gone = true;
  });
  return {
    async write(text) {
      if (gone) return;
      await new Promise<void>((resolve) => {
        process.stdout.write(text, () => resolve());
      });
    },
    writeNow(text) {
      try {
        if (!gone) writeSync(1, text);
      } catch {
        gone = true;
      }
    },
  };
}
