import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { version } from '../src/version.ts';
import { smoke } from './build/smoke.ts';
import { root } from './run/step.ts';

/**
 * `npm run build`: compiles the program into one file.
 *
 *   npm run build                            dist/cliproxyapi++ for this machine, then a smoke test of it
 *   npm run build -- --target bun-linux-arm64   dist/cliproxyapi++-linux-arm64 (may be given more than once)
 *   npm run build -- --all                   every target
 *
 * The same commit gives the same bytes: the only date inside is SOURCE_DATE_EPOCH or the commit's own.
 */
const targets = [
  'bun-linux-x64',
  'bun-linux-arm64',
  'bun-darwin-arm64',
  'bun-darwin-x64',
  'bun-windows-x64',
] as const;

type Target = (typeof targets)[number];

/** One executable to make; without a target it is for this machine. */
interface Output {
  readonly target?: Target;
  readonly file: string;
}

const folder = join(root, 'dist');
const program = 'cliproxyapi++';
const exe = (windows: boolean) => (windows ? '.exe' : '');

const { values } = parseArgs({
  options: { target: { type: 'string', multiple: true }, all: { type: 'boolean' } },
});
const outputs = wanted(values.all ? targets : (values.target ?? []));
const stamp = { commit: commit(), date: date() };

mkdirSync(folder, { recursive: true });
for (const output of outputs) await compile(output);
writeFileSync(join(folder, 'SHA256SUMS'), outputs.map(checksum).join(''));
for (const { file } of outputs.filter(runsHere)) await smoke(join(folder, file), version);

/** The executables asked for. Ends the build with exit code 64 on a target that does not exist. */
function wanted(names: readonly string[]): readonly Output[] {
  if (names.length === 0) return [{ file: program + exe(process.platform === 'win32') }];
  return names.map((name) => {
    const target = targets.find((known) => known === name);
    if (target !== undefined) {
      return { target, file: `${target.replace('bun', program)}${exe(target.includes('windows'))}` };
    }
    console.error(`There is no target "${name}". The targets are: ${targets.join(', ')}.`);
    process.exit(64);
  });
}

async function compile({ target, file }: Output): Promise<void> {
  const started = performance.now();
  const outfile = join(folder, file);
  // Under its own name, because the name of the file becomes part of the program.
  const unfinished = join(folder, '.unfinished', file);
  const result = await Bun.build({
    entrypoints: [join(root, 'src/main.ts')],
    root,
    target: 'bun',
    minify: { whitespace: true, syntax: true },
    // A source map would carry the sources a second time; names are kept, so stack traces stay readable.
    sourcemap: 'none',
    // Parsed at build time: a start then takes a fraction of the time, for a tenth more of size.
    bytecode: true,
    // The start that only lifts a limit and starts anew loads no more than that.
    splitting: true,
    format: 'esm',
    define: {
      BUILD_COMMIT: JSON.stringify(stamp.commit),
      BUILD_DATE: JSON.stringify(stamp.date),
      'process.env.NODE_ENV': '"production"',
    },
    compile: {
      ...(target && { target }),
      outfile: unfinished,
      // A program should not change with the `.env` or `bunfig.toml` of the folder it is started in.
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
    throw: false,
  });
  if (!result.success) {
    for (const message of result.logs) console.error(message);
    process.exit(1);
  }
  refuseLeaks(unfinished);
  // A running program keeps its file; the new one takes only the name.
  renameSync(unfinished, outfile);
  rmSync(dirname(unfinished), { recursive: true });
  const megabytes = (statSync(outfile).size / 1e6).toFixed(0);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`dist/${file}: ${version} (${stamp.commit}), ${megabytes} MB, ${seconds} s`);
}

/** A path of the machine that built it has no place in a release; it would also make two builds differ. */
function refuseLeaks(file: string): void {
  const bytes = readFileSync(file);
  // `/root` also stands in the runtime's own strings.
  const places = [root, homedir()].filter((place) => place.length > '/root'.length);
  const leaked = places.filter((place) => bytes.includes(place));
  if (leaked.length === 0) return;
  rmSync(file);
  const [place = ''] = leaked;
  const at = bytes.indexOf(place);
  const around = bytes.toString('latin1', Math.max(0, at - 80), at + 160).replace(/[^\x20-\x7e]+/g, ' ');
  console.error(`The binary holds a path of this machine:\n  ${around}`);
  process.exit(1);
}

function checksum({ file }: Output): string {
  const hash = createHash('sha256').update(readFileSync(join(folder, file)));
  return `${hash.digest('hex')}  ${file}\n`;
}

function runsHere({ target }: Output): boolean {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  return target === undefined || target === `bun-${system}-${process.arch}`;
}

/** The commit, with a `+` when the tree has changes on top; `unknown` outside a clone. */
function commit(): string {
  const head = git('rev-parse', '--short=12', 'HEAD');
  if (head === undefined) return 'unknown';
  return git('status', '--porcelain', '--untracked-files=no') === '' ? head : `${head}+`;
}

function date(): string {
  const seconds = Number(process.env['SOURCE_DATE_EPOCH'] ?? git('log', '-1', '--format=%ct') ?? NaN);
  const time = Number.isFinite(seconds) ? new Date(seconds * 1000) : new Date();
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}

function git(...args: readonly string[]): string | undefined {
  if (Bun.which('git') === null) return undefined;
  const { exitCode, stdout } = Bun.spawnSync(['git', ...args], { cwd: root, stderr: 'ignore' });
  return exitCode === 0 ? stdout.toString().trim() : undefined;
}
