import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Generator } from './generator.ts';
import { jobFor, type Lane, laneName, lanes, openStreams, same, yardstick } from './lanes.ts';
import { cpuMs, residentMb } from './process.ts';
import { gateway, type GatewaySetting, type Target } from './targets.ts';

/** The middle of several trials, and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** One lane through one target. */
export interface Cell {
  readonly lane: Lane;
  readonly target: string;
  readonly perSecond: Spread;
  /** Processor time of the target alone, in microseconds. */
  readonly cpuMicrosPerRequest: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  readonly faults: number;
  readonly fault?: string;
}

/** What one trial of one cell came to. */
interface Trial {
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly faults: number;
  readonly fault?: string;
}

export interface Effort {
  readonly trials: number;
  readonly seconds: number;
}

export type Targets = Readonly<Record<string, Target>>;

/**
 * Runs every cell once per trial, in another order each time, so that what else the machine does hits all alike.
 * The gateway takes every lane; the others those that need no translation.
 */
export async function measureLanes(
  load: Generator,
  targets: Targets,
  effort: Effort,
): Promise<readonly Cell[]> {
  const cells = Object.keys(targets).flatMap((target) => {
    const own = target === 'gateway' ? lanes : lanes.filter((lane) => same(lane, yardstick(lane)));
    return own.map((lane) => ({ target, lane, trials: [] as Trial[] }));
  });
  for (const { target, lane } of cells) await warmUp(load, targets[target], lane);
  for (let round = 0; round < effort.trials; round += 1) {
    for (const cell of shuffled(cells)) {
      cell.trials.push(await tryOnce(load, targets[cell.target], cell.lane, effort.seconds));
    }
  }
  return cells.map(({ target, lane, trials }) => {
    const fault = trials.find((trial) => trial.fault !== undefined)?.fault;
    return {
      lane,
      target,
      perSecond: spread(trials.map((trial) => trial.perSecond)),
      cpuMicrosPerRequest: spread(trials.map((trial) => trial.cpuMicros)),
      p50Ms: spread(trials.map((trial) => trial.p50Ms)),
      p99Ms: spread(trials.map((trial) => trial.p99Ms)),
      faults: trials.reduce((sum, trial) => sum + trial.faults, 0),
      ...(fault !== undefined && { fault }),
    };
  });
}

/** The longest warm-up of a lane, in slices of two seconds, and how many in a row may bring nothing before it ends. */
const mostSlices = 12;
const idleSlices = 3;

/**
 * Code is compiled while it runs, on the same core: what a start costs once is no cost of a request. A lane of whole
 * answers is warm when its cost no longer falls; the streams that come after them run the same code.
 */
async function warmUp(load: Generator, target: Target | undefined, lane: Lane): Promise<void> {
  if (lane.stream) return void (await tryOnce(load, target, lane, 1));
  let least = Infinity;
  for (let slice = 0, idle = 0; slice < mostSlices && idle < idleSlices; slice += 1) {
    const { cpuMicros } = await tryOnce(load, target, lane, 2);
    idle = cpuMicros < 0.97 * least ? 0 : idle + 1;
    least = Math.min(least, cpuMicros);
  }
}

async function tryOnce(
  load: Generator,
  target: Target | undefined,
  lane: Lane,
  seconds: number,
): Promise<Trial> {
  if (target === undefined) throw new Error(`nothing runs ${laneName(lane)}`);
  const before = cpuMs(target.pid);
  const outcome = await load.run(jobFor(lane, target.port, seconds));
  const used = cpuMs(target.pid) - before;
  return {
    perSecond: (outcome.answers / outcome.elapsedMs) * 1000,
    cpuMicros: (used / Math.max(1, outcome.answers)) * 1000,
    p50Ms: outcome.p50Ms,
    p99Ms: outcome.p99Ms,
    faults: outcome.faults,
    ...(outcome.fault !== undefined && { fault: outcome.fault }),
  };
}

/** Memory with many streams open at once, in a process that has served some before. */
export interface StreamMemory {
  readonly target: string;
  readonly lane: Lane;
  readonly streams: number;
  readonly complete: number;
  /** What the whole process grew by, over the number of streams. */
  readonly kibPerStream: number;
}

export async function measureStreamMemory(
  load: Generator,
  name: string,
  target: Target,
  lane: Lane,
  streams: number,
): Promise<StreamMemory> {
  // What the first streams cost once, such as compiled code, is not a cost of each.
  await load.run(jobFor(lane, target.port, 1));
  const before = residentMb(target.pid);
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, residentMb(target.pid))), 100);
  const outcome = await load.run(openStreams(lane, target.port, streams));
  clearInterval(watch);
  const kibPerStream = ((peak - before) * 1024) / streams;
  return { target: name, lane, streams, complete: outcome.answers, kibPerStream };
}

/** The binary by itself. */
export interface Rest {
  /** From starting the process to its first answer, over all starts. */
  readonly readyMs: Spread;
  readonly starts: number;
  /** Resident memory three seconds after a start without a request. */
  readonly idleMb: number;
}

/** Cold starts, one after the other, on any core: nothing else of the bench runs. */
export async function measureRest(setting: GatewaySetting, starts = 20): Promise<Rest> {
  const times: number[] = [];
  const start = async () => {
    const home = mkdtempSync(join(setting.home, 'start-'));
    const started = performance.now();
    const target = await gateway({ ...setting, home }, undefined, 1);
    times.push(performance.now() - started);
    return target;
  };
  while (times.length < starts) await (await start()).stop();
  const readyMs = spread(times);
  const target = await start();
  await Bun.sleep(3_000);
  const idleMb = residentMb(target.pid);
  await target.stop();
  return { readyMs, starts, idleMb };
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
  return { median, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN };
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((left, right) => left.at - right.at)
    .map(({ item }) => item);
}
