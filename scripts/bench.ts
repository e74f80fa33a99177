import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { generator } from './bench/generator.ts';
import { isDirect, type Lane, lanes, openLanes } from './bench/lanes.ts';
import {
  measureLanes,
  measureRest,
  measureStreamMemory,
  type StreamMemory,
  type Targets,
} from './bench/measure.ts';
import { pinned } from './bench/process.ts';
import { aimsOf, render, type Results } from './bench/report.ts';
import { measureSelection, renderSelection } from './bench/selection.ts';
import { gateway, nginx, passThrough, type Target, upstream } from './bench/targets.ts';
import { root } from './run/step.ts';

/**
 * `npm run bench`: what the gateway costs beside a plain pass-through (and nginx where it is installed), on this
 * machine, on loopback, in about eleven minutes. Builds the binary first.
 *
 *   npm run bench -- [--json] [--gate] [--trials 3] [--seconds 1] [--binary FILE]
 *
 * `--gate` ends with exit code 1 when an aim is missed; otherwise the exit code is 0.
 */
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    gate: { type: 'boolean', default: false },
    trials: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '1' },
    binary: { type: 'string' },
  },
});
const effort = { trials: within(values.trials, 1, 20), seconds: within(values.seconds, 0.2, 10) };
const home = mkdtempSync(join(tmpdir(), 'cliproxyapi-bench-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));
// A copy, so that a build in the meantime changes nothing.
const binary = join(home, 'cliproxyapi++.exe');
copyFileSync(values.binary === undefined ? build() : resolve(values.binary), binary);

const results = await measureAll();
const selection = measureSelection();
const aims = [...aimsOf(results), ...selection];
console.log(
  values.json
    ? JSON.stringify({ ...results, aims }, null, 2)
    : `\n${render(results)}\n\n${renderSelection(selection)}`,
);
process.exit(values.gate && aims.some(({ met }) => !met) ? 1 : 0);

async function measureAll(): Promise<Results> {
  const mock = await upstream();
  const setting = { binary, home, upstreamPort: mock.port };
  progress('cold starts');
  const rest = await measureRest(setting);

  const load = generator();
  const proxy = await nginx(folder('nginx'), mock.port);
  if (proxy === undefined) progress('nginx is not installed, so its rows are left out');
  const plain = await passThrough(mock.port);
  const own = await gateway({ ...setting, home: folder('gateway') }, 0);
  const targets: Targets = { 'pass-through': plain, ...(proxy && { nginx: proxy }), gateway: own };
  progress(`lanes: ${effort.trials} trials of ${effort.seconds} s`);
  const cells = await measureLanes(load, targets, lanes, effort);

  progress('1,000 open streams, and 2,000');
  const streamMemory: StreamMemory[] = [];
  const measureFresh = async (name: string, lane: Lane, streams: number, start: () => Promise<Target>) => {
    const target = await start();
    streamMemory.push(await measureStreamMemory(load, name, target, lane, streams));
    await target.stop();
  };
  const fresh = () => gateway({ ...setting, home: folder('streams') }, 0);
  for (const lane of openLanes) {
    if (isDirect(lane)) await measureFresh('pass-through', lane, 1_000, () => passThrough(mock.port));
    await measureFresh('gateway', lane, 1_000, fresh);
    await measureFresh('gateway', lane, 2_000, fresh);
  }
  await Promise.all([load, own, plain, mock, ...(proxy ? [proxy] : [])].map((program) => program.stop()));
  return { version: versionOf(), machine: machine(), cells, streamMemory, rest };
}

/** What the build says goes to standard error, so that `--json` stays JSON. */
function build(): string {
  const command = [process.execPath, 'scripts/build.ts'];
  const { exitCode } = Bun.spawnSync(command, { cwd: root, stdio: ['ignore', 2, 2] });
  if (exitCode !== 0) process.exit(1);
  return join(root, 'dist', process.platform === 'win32' ? 'cliproxyapi++.exe' : 'cliproxyapi++');
}

function versionOf(): string {
  return Bun.spawnSync([binary, '--version']).stdout.toString().trim();
}

function machine(): string {
  const all = cpus();
  const cores = pinned ? 'the target on core 0, upstream and load on core 1' : 'not bound to cores';
  return `${all.length} x ${all[0]?.model.trim()}, ${cores}, load average ${loadavg()[0]?.toFixed(1)}`;
}

function folder(name: string): string {
  const path = join(home, name);
  mkdirSync(path, { recursive: true });
  return path;
}

function within(text: string, least: number, most: number): number {
  const number = Number(text);
  if (number >= least && number <= most) return number;
  console.error(`"${text}" is not a number from ${least} to ${most}.`);
  process.exit(64);
}

function progress(what: string): void {
  if (!values.json) console.error(`-- ${what}`);
}
