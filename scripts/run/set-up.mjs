/** What a fresh clone lacks: the Bun that package.json pins (from npm, into `.tools/`), and the packages of bun.lock. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder. */
export const root = fileURLToPath(new URL('../../', import.meta.url));
const tools = join(root, '.tools');
const packages = join(root, 'node_modules');
/** The npm package gives Bun this name on every system. */
const bun = join(tools, 'node_modules', 'bun', 'bin', 'bun.exe');

/** Set-up that did not work; the message says what to do. */
export class SetUpError extends Error {}

/**
 * The path of the pinned Bun, installed when it is missing or of another version.
 * @returns {string}
 */
export function ensureBun() {
  const version = pinnedVersion();
  if (versionOf(bun) === version) return bun;
  say(`Installing Bun ${version} into .tools/ (only once) ...`);
  makeFolder(tools);
  const install = npm(['install', '--prefix', tools, '--no-save', '--no-package-lock', `bun@${version}`]);
  if (install.status !== 0) throw new SetUpError(explain('npm could not install Bun', install));
  if (versionOf(bun) !== version) runInstallScript();
  const found = versionOf(bun);
  if (found === version) return bun;
  throw new SetUpError(
    `npm installed Bun ${version}, but it does not run here (${found ?? 'no answer'}). ` +
      'Delete the folder .tools and try again; if that does not help, this system may be one that Bun does not support.',
  );
}

/**
 * Installs what bun.lock names, when it has changed since the last time or was never installed.
 * @param {string} program
 */
export function ensurePackages(program) {
  const stamp = join(packages, '.installed');
  const wanted = fingerprint();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('Installing packages ...');
  const install = spawnSync(program, ['install', '--frozen-lockfile'], {
    cwd: root,
    env: environment(),
    encoding: 'utf8',
  });
  if (install.status !== 0) throw new SetUpError(explain('bun install failed', install));
  writeFileSync(stamp, wanted);
}

/** The exact version in the `packageManager` field. */
function pinnedVersion() {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const version = /^bun@(\d+\.\d+\.\d+)$/.exec(packageManager ?? '')?.[1];
  if (version) return version;
  throw new SetUpError('package.json needs a "packageManager" field such as "bun@1.4.5".');
}

function fingerprint() {
  const hash = createHash('sha256');
  for (const file of ['package.json', 'bun.lock']) hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

/** The version a program says it has; undefined when it does not run. */
function versionOf(program) {
  if (!existsSync(program)) return undefined;
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** An npm that is told to run no install scripts leaves a placeholder where Bun belongs; its script puts Bun there. */
function runInstallScript() {
  const folder = join(tools, 'node_modules', 'bun');
  if (existsSync(join(folder, 'install.js'))) spawnSync(process.execPath, ['install.js'], { cwd: folder });
}

/** Runs the npm that called us, or the one on the path; on Windows that is a script that needs a shell. */
function npm(args) {
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];
  const options = { cwd: root, env: environment(), encoding: 'utf8' };
  const caller = process.env.npm_execpath ?? '';
  if (basename(caller) === 'npm-cli.js')
    return spawnSync(process.execPath, [caller, ...args, ...quiet], options);
  const words = [...args, ...quiet];
  if (process.platform !== 'win32') return spawnSync('npm', words, options);
  const line = ['npm', ...words].map((word) => `"${word}"`).join(' ');
  return spawnSync(line, { ...options, shell: true });
}

/** Ours, with caches inside `.tools/` when there is no home folder to write to. */
function environment() {
  if (isWritable(homedir())) return process.env;
  return {
    ...process.env,
    npm_config_cache: join(tools, 'npm-cache'),
    BUN_INSTALL_CACHE_DIR: join(tools, 'bun-cache'),
  };
}

function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Makes a folder and proves that it can be written to. */
function makeFolder(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, '.write-test'), '');
    rmSync(join(folder, '.write-test'));
  } catch (error) {
    throw new SetUpError(`This folder cannot be written to: ${error.message}. Clone into one that you own.`);
  }
}

const causes = [
  [/ENOSPC|no space left/i, 'The disk is full: make room and try again (about 1 GB is needed).'],
  [/EACCES|EPERM|EROFS|permission denied/i, 'A folder cannot be written to: clone into one that you own.'],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ConnectionRefused|FailedToOpenSocket|DNS/i,
    'The package registry was not reached: check the network and the proxy settings of npm, then try again.',
  ],
  [
    /lockfile had changes|frozen/i,
    'package.json and bun.lock differ: run `bun install` with the Bun in .tools and commit bun.lock.',
  ],
  [
    /E401|E403|E404|ETARGET|EINTEGRITY/i,
    'The package registry refused: check which registry npm is set up with.',
  ],
];

/** What failed, the likely cause in a sentence, and the last lines the program wrote. */
function explain(what, result) {
  if (result.error?.code === 'ENOENT')
    return `${what}: ${result.error.path} was not found. Install Node.js with npm.`;
  const output = `${result.stdout ?? ''}\n${result.stderr ?? ''}\n${result.error?.message ?? ''}`.trim();
  const cause = causes.find(([pattern]) => pattern.test(output))?.[1] ?? 'Its last lines were:';
  return `${what}. ${cause}\n\n${output.split('\n').slice(-12).join('\n')}`;
}

function say(line) {
  process.stderr.write(`${line}\n`);
}
