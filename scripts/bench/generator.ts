import { join } from 'node:path';
import type { Job, Outcome } from './load.ts';
import { onCore, watched } from './process.ts';

/** The load generator's process; it runs one job at a time. */
export interface Generator {
  run(job: Job): Promise<Outcome>;
  stop(): Promise<void>;
}

/** Starts it once for the whole bench, so that it is warm when it counts. */
export function generator(): Generator {
  const child = Bun.spawn(onCore(1, [process.execPath, join(import.meta.dir, 'load.ts')]), {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const program = watched(child);
  const outcomes = lines(child.stdout);
  return {
    async run(job) {
      child.stdin.write(`${JSON.stringify(job)}\n`);
      child.stdin.flush();
      const { value } = await outcomes.next();
      if (value === undefined) throw new Error('the load generator ended');
      return JSON.parse(value);
    },
    stop: () => program.stop(),
  };
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const bytes of stream) {
    const parts = (pending + decoder.decode(bytes, { stream: true })).split('\n');
    pending = parts.pop() ?? '';
    yield* parts;
  }
}
