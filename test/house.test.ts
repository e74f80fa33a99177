import { describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

/** The architecture of `docs/decisions` as a rule that runs: who may import whom, what may touch what, which lists are complete. */

const root = join(import.meta.dir, '..');

/** Who stands how high. A file imports from lower ranks or from its own folder. */
const ranks: Readonly<Record<string, number>> = {
  'version.ts': -1,
  core: 0,
  wire: 1,
  telemetry: 1,
  state: 1,
  protocols: 2,
  accounts: 3,
  channels: 4,
  models: 5,
  config: 6,
  relay: 7,
  server: 8,
  admin: 8,
  cli: 9,
};

const sevenFiles = [
  'decode-request.ts',
  'decode-stream.ts',
  'encode-request.ts',
  'encode-stream.ts',
  'index.ts',
  'reply.ts',
  'schema.ts',
];

interface Source {
  /** Relative to the repository, such as `src/core/json.ts`. */
  readonly path: string;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly string[];
}

const sources = tracked()
  .filter((path) => path.startsWith('src/') && path.endsWith('.ts'))
  .map(readSource);

/** `main.ts`, `serve.ts` and `compose.ts` stand with `cli`, above everybody; `version.ts` is a constant for everybody. */
const folderOf = (path: string): string => {
  const [, folder = ''] = path.split('/');
  return ['main.ts', 'serve.ts', 'compose.ts'].includes(folder) ? 'cli' : folder;
};

const offenders = (wrong: (source: Source) => readonly string[]) =>
  sources.flatMap((source) => wrong(source).map((what) => `${source.path}: ${what}`));

describe('import ranks', () => {
  test('every folder of src has a rank', () => {
    expect(sources.map((source) => folderOf(source.path)).filter((folder) => !(folder in ranks))).toEqual([]);
  });

  test('a file imports only lower ranks or its own folder', () => {
    const wrong = offenders(({ path, imports }) => {
      const own = folderOf(path);
      return imports.filter((target) => {
        const theirs = target.startsWith('src/') ? folderOf(target) : undefined;
        return theirs !== undefined && theirs !== own && (ranks[theirs] ?? 99) >= (ranks[own] ?? -1);
      });
    });
    expect(wrong).toEqual([]);
  });

  test('core imports nothing but itself', () => {
    const wrong = offenders(({ path, imports }) =>
      path.startsWith('src/core/') ? imports.filter((target) => !target.startsWith('src/core/')) : [],
    );
    expect(wrong).toEqual([]);
  });

  test('siblings are strangers: no protocol imports another, no channel another', () => {
    const wrong = offenders(({ path, imports }) => {
      const own = subfolder(path);
      if (own === undefined) return [];
      return imports.filter((target) => {
        const theirs = subfolder(target);
        return theirs !== undefined && theirs !== own && theirs.split('/')[0] === own.split('/')[0];
      });
    });
    expect(wrong).toEqual([]);
  });

  test('the pool pays with an account, however it was signed in to', () => {
    const wrong = offenders(({ path, imports }) =>
      path.startsWith('src/accounts/') && !path.startsWith('src/accounts/logins/')
        ? imports.filter((target) => target.startsWith('src/accounts/logins/'))
        : [],
    );
    expect(wrong).toEqual([]);
  });

  test('whoever stands outside a protocol folder imports only its index.ts', () => {
    const wrong = offenders(({ path, imports }) =>
      imports.filter((target) => {
        const theirs = subfolder(target);
        if (!theirs?.startsWith('protocols/') || subfolder(path) === theirs) return false;
        return !target.endsWith('/index.ts');
      }),
    );
    expect(wrong).toEqual([]);
  });

  test('imports name their file with its ending', () => {
    const wrong = offenders(({ imports }) =>
      imports.filter((target) => target.startsWith('src/') && !existsSync(join(root, target))),
    );
    expect(wrong).toEqual([]);
  });
});

describe('who may touch what', () => {
  test('only server/, admin/ and serve.ts know Elysia', () => {
    const wrong = offenders(({ path, imports }) => {
      if (/^src\/(server|admin)\/|^src\/serve\.ts$/.test(path)) return [];
      return imports.filter((target) => target === 'elysia' || target.startsWith('@elysiajs/'));
    });
    expect(wrong).toEqual([]);
  });

  test('only wire/fetch.ts calls the global fetch', () => {
    const wrong = offenders(({ path, code }) => {
      if (path === 'src/wire/fetch.ts') return [];
      return code
        .split('\n')
        .filter((line) => /(?<![.\w'"`#])fetch\(|globalThis\.fetch|Bun\.fetch/.test(line))
        .filter((line) => !/^\s*(async\s+)?(function\s+)?fetch\([^)]*\)[^;]*\{/.test(line));
    });
    expect(wrong).toEqual([]);
  });

  test('only wire/socket.ts opens a WebSocket', () => {
    const wrong = offenders(({ path, code }) =>
      path === 'src/wire/socket.ts' ? [] : (code.match(/new WebSocket\(/g) ?? []),
    );
    expect(wrong).toEqual([]);
  });

  test('only stores, config, telemetry and the command line touch the disk', () => {
    // The port's holder and the thread for upstreams are found in /proc, which is no disk.
    const allowed =
      /^src\/(server\/port-holder\.ts|wire\/thread\.ts|accounts\/logins\/store[\w-]*\.ts|config\/|state\/|telemetry\/|cli\/|serve\.ts|main\.ts)/;
    const wrong = offenders(({ path, code, imports }) => {
      if (allowed.test(path)) return [];
      const modules = imports.filter((target) => /^(node:)?fs(\/promises)?$|^bun:sqlite$/.test(target));
      return [...modules, ...(code.match(/\bBun\.(file|write)\(/g) ?? [])];
    });
    expect(wrong).toEqual([]);
  });
});

describe('the lists', () => {
  test.each(folders('src/protocols'))('protocol %s has the seven files and is on the list', (name) => {
    expect(readdirSync(join(root, 'src/protocols', name))).toEqual(expect.arrayContaining(sevenFiles));
    expect(importsOf('src/protocols/index.ts')).toContain(`src/protocols/${name}/index.ts`);
  });

  test.each(folders('src/channels'))('channel %s has an index.ts and is on the list', (name) => {
    expect(readdirSync(join(root, 'src/channels', name))).toContain('index.ts');
    expect(importsOf('src/channels/index.ts')).toContain(`src/channels/${name}/index.ts`);
  });

  test('only a list, a protocol or a channel has a default export', () => {
    const wrong = offenders(({ path, code }) =>
      subfolder(path) === undefined && /^export default\b/m.test(code) ? ['export default'] : [],
    );
    expect(wrong).toEqual([]);
  });
});

describe('habits', () => {
  const texts = tracked()
    .filter((path) => !path.startsWith('test/fixtures/') && path !== 'bun.lock')
    .flatMap((path) => {
      const bytes = readFileSync(join(root, path));
      return bytes.includes(0) ? [] : [{ path, text: bytes.toString('utf8') }];
    });
  const code = texts.filter(({ path }) => /\.(ts|mjs|js|tsx)$/.test(path));

  test('no file is longer than 600 lines', () => {
    const long = code.filter(({ text }) => text.split('\n').length > 600).map(({ path }) => path);
    expect(long).toEqual([]);
  });

  test('nothing is left for later', () => {
    const marker = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`);
    expect(code.filter(({ text }) => marker.test(text)).map(({ path }) => path)).toEqual([]);
  });

  test('no tracked file names a place on the machine it was written on', () => {
    const place = new RegExp(`(?<![\\w.~*$})-])/(${['work', 'root', 'tmp'].join('|')})/[\\w.]`);
    const found = texts.flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, index) => (place.test(line) ? [`${path}:${index + 1}`] : [])),
    );
    expect(found).toEqual([]);
  });

  test('no test runs alone', () => {
    const only = new RegExp(`\\b(test|describe|it)\\.${'on' + 'ly'}\\(`);
    expect(code.filter(({ text }) => only.test(text)).map(({ path }) => path)).toEqual([]);
  });
});

/** Files git knows or would add; without git, everything but what is built or installed. */
function tracked(): readonly string[] {
  const git = Bun.spawnSync(['git', 'ls-files', '-co', '--exclude-standard'], { cwd: root });
  const listed = git.exitCode === 0 ? git.stdout.toString().trim().split('\n') : [];
  const paths = listed.length > 0 ? listed : [...new Bun.Glob('**/*').scanSync({ cwd: root, dot: false })];
  return paths.filter((path) => !/^(node_modules|dist|\.)/.test(path) && existsSync(join(root, path))).sort();
}

function readSource(path: string): Source {
  const code = withoutComments(readFileSync(join(root, path), 'utf8'));
  return { path, code, imports: importsIn(path, code) };
}

/** What a file imports: paths inside the repository relative to it, packages by name. Types and dynamic imports count. */
function importsIn(path: string, code: string): readonly string[] {
  const pattern =
    /(?:^|[;\n])\s*(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]|(?:^|[;\n])\s*import\s*['"]([^'"]+)['"]|\b(?:import|require)\(\s*['"]([^'"]+)['"]/g;
  return [...code.matchAll(pattern)].map((match) => {
    const target = match[1] ?? match[2] ?? match[3] ?? '';
    if (!target.startsWith('.')) return target;
    return relative(root, normalize(join(root, dirname(path), target)));
  });
}

const importsOf = (path: string) => sources.find((source) => source.path === path)?.imports ?? [];

/** Blanks comments, keeping the line count; strings are left alone. */
function withoutComments(text: string): string {
  const token = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
  return text.replace(token, (found) => (found.startsWith('/') ? found.replace(/[^\n]/g, ' ') : found));
}

/** `protocols/gemini` for a file in such a folder; undefined for any other file. */
function subfolder(path: string): string | undefined {
  return /^src\/((?:protocols|channels)\/[^/]+)\//.exec(path)?.[1];
}

function folders(under: string): string[] {
  const full = join(root, under);
  if (!existsSync(full)) return [];
  return readdirSync(full, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}
