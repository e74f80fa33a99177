import type { Job } from './load.ts';
import { headers } from './targets.ts';
import { modelOf, type Pace, requestBody, type Wire } from './wire.ts';

/** One row of the bench: what the client speaks, what the upstream speaks, and how the answer comes. */
export interface Lane {
  readonly client: Wire;
  readonly upstream: Wire;
  readonly stream: boolean;
}

const pairs: readonly Omit<Lane, 'stream'>[] = [
  { client: 'chat', upstream: 'chat' },
  { client: 'messages', upstream: 'messages' },
  { client: 'messages', upstream: 'chat' },
  { client: 'chat', upstream: 'messages' },
];

export const lanes: readonly Lane[] = [
  ...pairs.map((pair) => ({ ...pair, stream: false })),
  ...pairs.map((pair) => ({ ...pair, stream: true })),
];

export const isDirect = ({ client, upstream }: Lane): boolean => client === upstream;

/** The least share of the plain pass-through that the project aims at. */
export const aimOf = (lane: Lane): number => (isDirect(lane) ? 0.6 : 0.4);

export const laneName = (lane: Lane): string =>
  `${lane.client} -> ${lane.upstream}${lane.stream ? ', stream' : ''}`;

/** A target that translates nothing can only be asked in the upstream's own words. */
export const yardstick = ({ upstream, stream }: Lane): Lane => ({ client: upstream, upstream, stream });

export const same = (left: Lane, right: Lane): boolean => laneName(left) === laneName(right);

/** Enough connections to keep the target busy all the time. */
const connectionsFor = (stream: boolean): number => (stream ? 128 : 32);

export function jobFor(lane: Lane, port: number, seconds: number): Job {
  return { ...requestFor(lane, 'fast'), port, seconds, connections: connectionsFor(lane.stream) };
}

/** Streams that stay open for five seconds, all at once. */
export function openStreams(lane: Lane, port: number, connections: number): Job {
  return { ...requestFor(lane, 'slow'), port, seconds: 5, connections, requestsEach: 1 };
}

function requestFor(
  { client, upstream, stream }: Lane,
  pace: Pace,
): Pick<Job, 'wire' | 'stream' | 'headers' | 'body'> {
  return { wire: client, stream, headers, body: requestBody(client, modelOf(upstream, pace), stream) };
}
