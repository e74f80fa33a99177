import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Generator } from './generator.ts';
import { jobFor, type Lane, laneName, openStreams, same, yardstick } from './lanes.ts';
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
  /** Only the gateway's: how it stands to each other target, by the target's name. */
  readonly beside: Readonly<Record<string, Ratio>>;
  readonly faults: number;
  readonly fault?: string;
}

/** The gateway beside another target on the same upstream: the median of pairs of trials, one right after the other. */
export interface Ratio {
  /** Requests per second over the other's. */
  readonly perSecond: Spread;
  /** The other's processor time per request over the gateway's: 1 is as good, 0.5 takes twice as long. */
  readonly cpu: Spread;
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

/** One trial of each target on one lane, by the target's name. */
type Turn = Readonly<Record<string, Trial>>;

export interface Effort {
  readonly trials: number;
  readonly seconds: number;
}

export type Targets = Readonly<Record<string, Target>>;

/** Whole answers are soon over, so they are tried this many times as often as streams, for a part of the time. */
const wholeTrials = 25;
const wholeTime = 0.4;

/**
 * Runs every lane through every target, one lane after the other. On a lane the gateway and the others take turns,
 * because a machine that others use as well changes its pace within seconds: a share is that of one moment. The lane is
 * not left before its trials are done, because the engine forgets compiled code that nobody runs for some seconds.
 * The gateway takes every lane; the others those of their words that need no translation.
 */
export async function measureLanes(
  load: Generator,
  targets: Targets,
  lanes: readonly Lane[],
  effort: Effort,
): Promise<readonly Cell[]> {
  const names = Object.keys(targets);
  const asked = (target: string, lane: Lane): Lane => (target === 'gateway' ? lane : yardstick(lane));
  const turns = new Map<Lane, readonly Turn[]>();
  for (const lane of shuffled(lanes)) {
    for (const target of names) await warmUp(load, targets[target], asked(target, lane));
    const taken: Turn[] = [];
    const trials = effort.trials * (lane.stream ? 1 : wholeTrials);
    const seconds = effort.seconds * (lane.stream ? 1 : wholeTime);
    while (taken.length < trials) {
      const turn: Record<string, Trial> = {};
      for (const target of shuffled(names))
        turn[target] = await tryOnce(load, targets[target], asked(target, lane), seconds);
      taken.push(turn);
    }
    turns.set(lane, taken);
  }
  return names.flatMap((target) =>
    lanes.filter((lane) => same(lane, asked(target, lane))).map((lane) => cellOf(target, lane, turns)),
  );
}

/** Another target's trials of one lane are those beside every lane that it is the yardstick of. */
function cellOf(target: string, lane: Lane, turns: ReadonlyMap<Lane, readonly Turn[]>): Cell {
  const own = target === 'gateway';
  const taken = [...turns].flatMap(([asked, of]) => (same(own ? asked : yardstick(asked), lane) ? of : []));
  const trials = taken.map((turn) => turn[target]!);
  const fault = trials.find((trial) => trial.fault !== undefined)?.fault;
  const others = own ? Object.keys(taken[0] ?? {}).filter((name) => name !== target) : [];
  return {
    lane,
    target,
    perSecond: spread(trials.map((trial) => trial.perSecond)),
    cpuMicrosPerRequest: spread(trials.map((trial) => trial.cpuMicros)),
    p50Ms: spread(trials.map((trial) => trial.p50Ms)),
    p99Ms: spread(trials.map((trial) => trial.p99Ms)),
    beside: Object.fromEntries(others.map((other) => [other, ratio(taken, target, other)])),
    faults: trials.reduce((sum, trial) => sum + trial.faults, 0),
    ...(fault !== undefined && { fault }),
  };
}

function ratio(taken: readonly Turn[], target: string, other: string): Ratio {
  const of = (read: (own: Trial, beside: Trial) => number) =>
    spread(taken.map((turn) => read(turn[target]!, turn[other]!)));
  return {
    perSecond: of((own, beside) => own.perSecond / beside.perSecond),
    cpu: of((own, beside) => beside.cpuMicros / own.cpuMicros),
  };
}

/** The longest warm-up of a lane, in slices of two seconds, and how many in a row may bring nothing before it ends. */
const mostSlices = 12;
const idleSlices = 4;

/**
 * Code is compiled while it runs, on the same core: what a start costs once is no cost of a request. A lane of whole
 * answers is warm when its cost no longer falls; a stream runs the same code a hundred times.
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
