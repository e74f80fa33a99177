import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../config/support.ts';

const main = join(import.meta.dir, '../../src/main.ts');

/** A home with a config of its own, in which commands are run as a person would. */
export function home(config: string) {
  const folder = temporaryFolder();
  const auth = join(folder.path, 'auth');
  mkdirSync(auth, { mode: 0o700 });
  const file = join(folder.path, 'config.yaml');
  const places = ['auth', 'state', 'logs']
    .map((kind) => `${kind}-dir: ${join(folder.path, kind)}\n`)
    .join('');
  writeFileSync(file, `${places}${config}`, { mode: 0o600 });

  /** Starts a command; `said` resolves with what standard error holds once it matches. */
  function start(words: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const process_ = Bun.spawn([process.execPath, main, ...words, '--config', file], {
      env: { PATH: process.env.PATH ?? '', HOME: folder.path, TMPDIR: folder.path, ...environment },
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    let heard = '';
    const waiting = new Set<() => void>();
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const piece of process_.stderr) {
        heard += decoder.decode(piece, { stream: true });
        for (const look of waiting) look();
      }
    })();
    return {
      process: process_,
      said: (pattern: RegExp) =>
        new Promise<RegExpExecArray>((resolve, reject) => {
          const look = () => {
            const found = pattern.exec(heard);
            if (!found) return;
            waiting.delete(look);
            resolve(found);
          };
          waiting.add(look);
          look();
          void reading.then(() => reject(new Error(`It ended without saying ${pattern}: ${heard}`)));
        }),
      async ended() {
        const out = await new Response(process_.stdout).text();
        await reading;
        return { code: await process_.exited, out, err: heard };
      },
    };
  }

  /** Starts a command in a terminal wide enough for its addresses; resolves with what it shows once that matches, and ends it. */
  async function inTerminal(words: readonly string[], pattern: RegExp): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    let shown = '';
    const decoder = new TextDecoder();
    const process_ = Bun.spawn([process.execPath, main, ...words, '--config', file], {
      env: { PATH: process.env.PATH ?? '', HOME: folder.path, TMPDIR: folder.path, TERM: 'xterm' },
      terminal: {
        cols: 2_000,
        rows: 200,
        data(_, bytes) {
          shown += decoder.decode(bytes, { stream: true }).replaceAll('\r', '');
          if (pattern.test(shown)) resolve(shown);
        },
      },
    });
    void process_.exited.then(() => resolve(shown));
    const seen = await promise;
    process_.kill();
    await process_.exited;
    process_.terminal?.close();
    return seen;
  }

  return {
    path: folder.path,
    auth,
    start,
    inTerminal,
    run: (...words: string[]) => start(words).ended(),
    remove: folder.remove,
  };
}
