import { write, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { promisify } from 'node:util';

/** A place for log text; see `BatchOptions`. */
export interface Output {
  write(text: string): Promise<void>;
  writeNow(text: string): void;
}

const descriptor = 1;

/** Whether somebody reads standard output on a screen. */
export const onTerminal = (): boolean => isatty(descriptor);

/** What a pipe that takes nothing now is given before it is asked again. */
const pauseMs = 20;

const writeSome = promisify(write);

/**
 * Standard output, written by its descriptor: Node's stream of it would cost every start of the program some milliseconds.
 * A reader that is slow holds back only the log; a reader that is gone ends it, never the program.
 */
export function standardOutput(): Output {
  let gone = false;
  return {
    async write(text) {
      let rest = Buffer.from(text);
      while (rest.length > 0 && !gone) {
        try {
          const { bytesWritten } = await writeSome(descriptor, rest);
          rest = rest.subarray(bytesWritten);
        } catch (thrown) {
          if (isFull(thrown)) await Bun.sleep(pauseMs);
          else gone = true;
        }
      }
    },
    writeNow(text) {
      try {
        if (!gone) writeSync(descriptor, text);
      } catch {
        gone = true;
      }
    },
  };
}

const isFull = (thrown: unknown): boolean =>
  thrown instanceof Error && 'code' in thrown && thrown.code === 'EAGAIN';
