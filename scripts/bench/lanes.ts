import type { Job } from './load.ts';
import { headers } from './targets.ts';
import { type ClientWire, modelOf, type Pace, pathOf, requestBody, type Wire } from './wire.ts';

/** One row of the bench: what the client speaks, what the upstream speaks, and how the answer comes. */
export interface Lane {
  readonly client: ClientWire;
  readonly upstream: Wire;
  readonly stream: boolean;
}

const clients: readonly ClientWire[] = ['chat', 'messages', 'responses', 'gemini'];
const upstreams: readonly Wire[] = [...clients, 'codex'];

/** Whole answers in the two oldest dialects, and streams of every client through every upstream. */
export const lanes: readonly Lane[] = [
  { client: 'chat', upstream: 'chat', stream: false },
  { client: 'messages', upstream: 'messages', stream: false },
  { client: 'messages', upstream: 'chat', stream: false },
  { client: 'chat', upstream: 'messages', stream: false },
  ...upstreams.flatMap((upstream) => clients.map((client) => ({ client, upstream, stream: true }))),
];

/** The lanes on which many streams are opened at once. */
export const openLanes: readonly Lane[] = [
  { client: 'chat', upstream: 'chat', stream: true },
  { client: 'messages', upstream: 'chat', stream: true },
];

export const isDirect = ({ client, upstream }: Lane): boolean => client === upstream;

/** The least share of the plain pass-through that the project aims at. */
export const aimOf = (lane: Lane): number => (isDirect(lane) ? 0.6 : 0.4);

export const laneName = (lane: Lane): string =>
  `${lane.client} -> ${lane.upstream}${lane.stream ? ', stream' : ''}`;

/** A target that translates nothing can only be asked in the upstream's own words; those of Codex weigh as Responses. */
export const yardstick = ({ upstream, stream }: Lane): Lane => {
  const client = upstream === 'codex' ? 'responses' : upstream;
  return { client, upstream: client, stream };
};

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
): Pick<Job, 'wire' | 'path' | 'stream' | 'headers' | 'body'> {
  const model = modelOf(upstream, pace);
  const body = requestBody(client, model, stream);
  return { wire: client, path: pathOf(client, model), stream, headers, body };
}
