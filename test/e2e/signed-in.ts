import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../../src/core/json.ts';
import { freePort, launch, type Program, start, temporaryHome } from '../support/binary.ts';

/** A home in which people sign in with the binary, and the binary then serves with what they signed in to. */
export interface Home {
  readonly path: string;
  /** Runs a command of the binary to its end. */
  run(...words: readonly string[]): Promise<{ readonly code: number; readonly output: string }>;
  /** Signs in with a browser: `visit` follows the address to where the provider sends the browser back. */
  browse(visit: (url: string) => Promise<string>, ...words: readonly string[]): Promise<string>;
  /** Signs in with a code: `decide` is what a person does who has read it. */
  typeCode(decide: (code: string) => void, ...words: readonly string[]): Promise<string>;
  serve(env?: Readonly<Record<string, string>>): Promise<Program>;
  /** The login files, by name. */
  files(): Readonly<Record<string, Json>>;
  /** Writes a file: into the auth folder by a bare name, else below the home. */
  write(name: string, content: Json): string;
}

/** @param text config.yaml but for the folder of the logins. */
export function signedInHome(text: string): Home {
  const path = temporaryHome();
  const auth = join(path, 'auth');
  mkdirSync(auth, { mode: 0o700 });
  const port = freePort();
  const config = `auth-dir: ${auth}\nproxy-url: direct\n${text}`;
  const file = join(path, 'config.yaml');
  const command = (words: readonly string[]) =>
    launch({ home: path, port, config, args: [...words, '--config', file] });
  return {
    path,
    async run(...words) {
      const program = await command(words);
      return { code: await program.exited, output: program.output() };
    },
    async browse(visit, ...words) {
      const program = await command([...words, '--no-browser', '--port', String(freePort())]);
      const said = await program.said(/^ {2}http\S+$/m);
      const back = await visit(/^ {2}(http\S+)$/m.exec(said)![1]!);
      const page = await fetch(back.replace('//localhost:', '//127.0.0.1:'));
      await page.text();
      const code = await program.exited;
      if (code !== 0) throw new Error(`Signing in failed:\n${program.output()}`);
      return program.output();
    },
    async typeCode(decide, ...words) {
      const program = await command([...words, '--no-browser']);
      decide(/type the code (\S+):/.exec(await program.said(/type the code \S+:/))![1]!);
      const code = await program.exited;
      if (code !== 0) throw new Error(`Signing in failed:\n${program.output()}`);
      return program.output();
    },
    serve: (env = {}) => start({ home: path, port, config, env }),
    files: () =>
      Object.fromEntries(
        readdirSync(auth)
          .filter((name) => name.endsWith('.json'))
          .map((name) => [name, JSON.parse(readFileSync(join(auth, name), 'utf8')) as Json]),
      ),
    write(name, content) {
      const target = name.includes('/') ? join(path, name) : join(auth, name);
      mkdirSync(join(target, '..'), { recursive: true });
      writeFileSync(target, JSON.stringify(content), { mode: 0o600 });
      return target;
    },
  };
}

/** `oauth-endpoints` of a channel, in config.yaml. */
export const endpointLines = (channel: string, endpoints: Readonly<Record<string, string>>): string =>
  [`  ${channel}:`, ...Object.entries(endpoints).map(([name, url]) => `    ${name}: ${url}`), ''].join('\n');
