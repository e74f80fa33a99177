import { aimOf, isDirect, laneName, lanes, same } from './lanes.ts';
import type { Cell, Ratio, Rest, Spread, StreamMemory } from './measure.ts';

/** All numbers of one run; what `--json` prints, with `aims` added. */
export interface Results {
  readonly version: string;
  readonly machine: string;
  readonly cells: readonly Cell[];
  readonly streamMemory: readonly StreamMemory[];
  readonly rest: Rest;
}

/** One of the project's aims and how the run stands to it. */
export interface Aim {
  readonly what: string;
  readonly aim: string;
  readonly is: string;
  readonly met: boolean;
}

const aimReadyMs = 150;
const aimIdleMb = 90;
const aimStreamKib = 32;
/** The least that the slowest pair of translated streams reaches of the fastest one. */
const aimSlowestPair = 0.5;

/** How the slowest translated stream stands to the fastest, by processor time. */
function slowestPair(cells: readonly Cell[]): Aim {
  const pairs = cells
    .filter(({ target, lane }) => target === 'gateway' && lane.stream && !isDirect(lane))
    .map(({ lane, cpuMicrosPerRequest }) => ({ name: laneName(lane), micros: cpuMicrosPerRequest.median }))
    .toSorted((left, right) => left.micros - right.micros);
  const [fastest, slowest] = [pairs.at(0), pairs.at(-1)];
  const share = fastest && slowest ? fastest.micros / slowest.micros : 0;
  return {
    what: `slowest pair: ${slowest?.name}`,
    aim: `at least ${aimSlowestPair} of the fastest (${fastest?.name})`,
    is: share.toFixed(2),
    met: share >= aimSlowestPair,
  };
}

/** Processor time counts: requests per second flatter when the load generator is the limit, and suffer when others use the machine. */
export function aimsOf({ cells, rest, streamMemory }: Results): readonly Aim[] {
  const own = cells.filter((cell) => cell.target === 'gateway');
  const shares = own.map(({ lane, beside }): Aim => {
    const share = beside['pass-through']?.cpu.median ?? 0;
    const kind = isDirect(lane) ? 'direct' : 'translated';
    return {
      what: `${kind}: ${laneName(lane)}`,
      aim: `at least ${aimOf(lane)} of the pass-through`,
      is: share.toFixed(2),
      met: share >= aimOf(lane),
    };
  });
  const faults = cells.reduce((sum, cell) => sum + cell.faults, 0);
  const lost = streamMemory.reduce((sum, { streams, complete }) => sum + streams - complete, 0);
  return [
    ...shares,
    slowestPair(cells),
    ...streamMemory
      .filter(({ target, streams }) => target === 'gateway' && streams === 1_000)
      .map(({ lane, kibPerStream }) =>
        aim(`memory of an open stream: ${laneName(lane)}`, aimStreamKib, kibPerStream, 'KiB'),
      ),
    aim('start to ready (p50)', aimReadyMs, rest.readyMs.median, 'ms'),
    aim('memory at rest', aimIdleMb, rest.idleMb, 'MiB'),
    { what: 'answers', aim: 'all of them right', is: `${faults + lost} wrong`, met: faults + lost === 0 },
  ];
}

const aim = (what: string, limit: number, is: number, unit: string): Aim => ({
  what,
  aim: `under ${limit} ${unit}`,
  is: `${is.toFixed(0)} ${unit}`,
  met: is < limit,
});

/** The run for a person. */
export function render(results: Results): string {
  const { cells, streamMemory, rest } = results;
  const others = [...new Set(cells.map((cell) => cell.target))].filter((target) => target !== 'gateway');
  const rows = lanes
    .flatMap((lane) => cells.filter((cell) => same(cell.lane, lane)))
    .map((cell) => [
      laneName(cell.lane),
      cell.target,
      amount(cell.perSecond, 0),
      amount(cell.cpuMicrosPerRequest, 0),
      cell.p50Ms.median.toFixed(2),
      cell.p99Ms.median.toFixed(2),
      ...others.map((other) => share(cell.beside[other])),
    ]);
  const heads = ['lane', 'through', 'requests/s', 'CPU us/request', 'p50 ms', 'p99 ms'];
  const memory = streamMemory.map(({ lane, target, streams, complete, kibPerStream }) => [
    laneName(lane),
    target,
    `${complete} of ${streams}`,
    kibPerStream.toFixed(1),
  ]);
  const faults = cells.filter((cell) => cell.faults > 0);
  return [
    `${results.version} on ${results.machine}`,
    'Median of the trials (lowest to highest). Shares are requests/s, then CPU per request (lowest to highest), of the other target, trial beside trial.',
    table([...heads, ...others.map((other) => `of ${other}`)], rows),
    table(['open at once', 'through', 'complete', 'KiB/stream'], memory),
    `start to ready: p50 ${amount(rest.readyMs, 0)} ms over ${rest.starts} starts; at rest ${rest.idleMb.toFixed(0)} MiB`,
    ...faults.map(
      ({ lane, target, faults: count, fault }) =>
        `${laneName(lane)} through ${target}: ${count} wrong, such as: ${fault}`,
    ),
    table(
      ['aim', 'wanted', 'is', ''],
      aimsOf(results).map((row) => [row.what, row.aim, row.is, row.met ? 'met' : 'MISSED']),
    ),
  ].join('\n\n');
}

const amount = ({ median, min, max }: Spread, digits: number): string =>
  `${median.toFixed(digits)} (${min.toFixed(digits)}-${max.toFixed(digits)})`;

const share = (ratio: Ratio | undefined): string =>
  ratio === undefined ? '' : `${ratio.perSecond.median.toFixed(2)}, ${amount(ratio.cpu, 2)}`;

/** The first two columns to the left, numbers to the right. */
function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heads.map((head, at) => Math.max(head.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => (at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(heads), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
