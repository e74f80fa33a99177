/**
 * What `npm start`, `npm test` and the other scripts call: makes sure the pinned Bun and the packages are there,
 * then runs the job with it. Plain Node.js without a dependency, because nothing else exists on a fresh clone.
 *
 *   node scripts/run.mjs start [options of `cliproxyapi++ serve`]
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { ensureBun, ensurePackages, root, SetUpError } from './run/set-up.mjs';

/** What Bun is given for each job; words behind the job's name follow. */
const jobs = {
  start: ['src/main.ts', 'serve'],
  dev: ['--watch', 'src/main.ts', 'serve'],
  build: ['scripts/build.ts'],
  check: ['scripts/check.ts'],
  test: ['scripts/test.ts'],
  bench: ['scripts/bench.ts'],
};

/** Bun reads it at launch only. `start` starts itself anew with it and all its settings; `dev` would stop watching then. */
const requestLimit = { BUN_CONFIG_MAX_HTTP_REQUESTS: '65336' };

const [name = '', ...words] = process.argv.slice(2);
const job = Object.hasOwn(jobs, name) ? jobs[name] : undefined;
if (job === undefined) fail(`There is no job "${name}". The jobs are: ${Object.keys(jobs).join(', ')}.`, 64);

try {
  const bun = ensureBun();
  ensurePackages(bun);
  run(bun, [...job, ...words]);
} catch (error) {
  if (!(error instanceof SetUpError)) throw error;
  fail(error.message, 69);
}

/**
 * Runs Bun in the foreground, passes signals on and ends as it ends. Ctrl-C in a terminal reaches the whole
 * foreground group, so there it is not sent a second time; a closed terminal asks the job to stop.
 */
function run(bun, args) {
  const env = name === 'start' ? process.env : { ...requestLimit, ...process.env };
  const child = spawn(bun, args, { cwd: root, env, stdio: 'inherit' });
  const terminal = process.stdin.isTTY === true;
  process.on('SIGINT', () => terminal || child.kill('SIGINT'));
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGHUP', () => child.kill(terminal ? 'SIGTERM' : 'SIGHUP'));
  stopWithNpm(() => child.kill('SIGTERM'));
  child.on('error', (error) => fail(`${bun} did not start: ${error.message}`, 69));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

/** npm passes a signal on to its shell only; that ends without a word to us, and leaves us with another parent. */
function stopWithNpm(stop) {
  if (process.env.npm_lifecycle_event === undefined || process.platform === 'win32') return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    stop();
  }, 250);
}

function fail(message, code) {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}
