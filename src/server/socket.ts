import type { AnyElysia } from 'elysia';
import type { Config } from '../config/schema.ts';
import type { Runtime } from '../config/runtime.ts';
import { GatewayError } from '../core/error.ts';
import type { SocketSide } from '../protocols/continuing.ts';
import type { ClientSide, Protocol, Route } from '../protocols/protocol.ts';
import { isLoopbackHost } from './address.ts';
import { answer, type EncodeError, type Visit } from './answer.ts';
import { limitsOf } from './body.ts';
import { allowedOrigin } from './cors.ts';
import { admit, removeKeys } from './gate.ts';
import type { Hall } from './hall.ts';
import { type Caller, line } from './line.ts';
import { recorded } from './mount.ts';
import { describeUpgrade, hidden } from './openapi.ts';
import { aliases } from './paths.ts';
import { Sockets } from './sockets.ts';

/** What Bun needs to know of all WebSockets before there are any. */
export const socketOptions = (config: Config) => ({
  // What a message may weigh once it is decompressed; beyond it the connection is closed with 1009.
  maxPayloadLength: limitsOf(config).decoded,
  // A silent peer is pinged some seconds before this is up, so that no proxy between us takes the line for dead.
  idleTimeout: 60,
  sendPings: true,
  perMessageDeflate: true,
  // A line never sends into a full buffer, so this only has to be larger than one message.
  backpressureLimit: 256 * 1024 * 1024,
});

/** A route that may be upgraded, and the POST route that stands for each of its turns. */
export interface Upgradable {
  readonly protocol: Protocol;
  readonly client: ClientSide;
  readonly side: SocketSide;
  readonly route: Route;
}

/** Mounts a GET on every route that may be upgraded to a WebSocket. */
export function mountSockets(app: AnyElysia, hall: Hall): void {
  const sockets = hall.sockets ?? new Sockets();
  for (const row of hall.protocols.flatMap(upgradables)) {
    const encodeError: EncodeError = (error, requestId) => row.client.encodeError(error, requestId);
    const { path: own } = row.route;
    const detail = describeUpgrade(row.protocol, row.client, own);
    for (const path of [own, ...aliases(own)]) {
      const serve = (visit: Visit) => upgrade(app, hall, sockets, row, visit);
      app.get(path, ({ request }) => answer(hall, request, serve, encodeError), {
        detail: path === own ? detail : hidden,
      });
    }
  }
}

function upgradables(protocol: Protocol): readonly Upgradable[] {
  const { client } = protocol;
  const side = client?.socket;
  if (!client || !side) return [];
  return client.routes
    .filter(({ method, path }) => method === 'POST' && side.paths.includes(path))
    .map((route) => ({ protocol, client, side, route }));
}

/** Lets a client in and turns its connection into a WebSocket; whoever cannot have one is told at once. */
function upgrade(app: AnyElysia, hall: Hall, sockets: Sockets, row: Upgradable, visit: Visit): Response {
  const { request, runtime, record, path, search } = visit;
  record.protocol = row.protocol.id;
  const query = new URLSearchParams(search);
  const { label, tenant, carriers } = admit(request.headers, runtime, path, query);
  record.client = label;
  refuseForeignPages(request.headers, runtime);
  const reason = reasonAgainst(request.headers, runtime, sockets);
  if (reason) return upgradeRequired(hall, row, visit, reason);
  removeKeys(query);
  const caller: Caller = {
    id: record.id,
    path,
    query,
    label,
    tenant,
    headers: turnHeaders(request, carriers),
  };
  const upgraded = app.server?.upgrade(request, {
    data: line(hall, sockets, row, caller),
    headers: { 'x-request-id': record.id, ...turnState(request.headers) },
  });
  if (!upgraded) return upgradeRequired(hall, row, visit, badHandshake);
  record.status = 101;
  hall.telemetry.close(record);
  // Bun has answered; what is returned here goes nowhere.
  return new Response(null);
}

/** Why nobody is upgraded, in two sentences. */
interface Reason {
  readonly message: string;
  readonly remedy: string;
}

const notAsked: Reason = {
  message: 'GET on this path is for upgrades to a WebSocket, and this request asks for none.',
  remedy: 'POST the request instead, or connect with a WebSocket client.',
};
const switchedOff: Reason = {
  message: 'WebSockets are switched off here.',
  remedy: 'POST the request instead, or set `responses-websocket-enabled: true` in the config file.',
};
const badHandshake: Reason = {
  message: 'The WebSocket handshake is not one that this server can complete.',
  remedy:
    'It takes HTTP/1.1, Sec-WebSocket-Version 13 and a Sec-WebSocket-Key; a proxy in between must pass Upgrade and Connection on. POST the request instead if it cannot.',
};
const stopping: Reason = {
  message: 'The gateway is stopping.',
  remedy: 'Connect again in a moment.',
};

function reasonAgainst(headers: Headers, { config }: Runtime, { closing }: Sockets): Reason | undefined {
  if (headers.get('upgrade')?.toLowerCase() !== 'websocket') return notAsked;
  // Bun would take any version.
  if (headers.get('sec-websocket-version') !== '13') return badHandshake;
  if (config['responses-websocket-enabled'] === false) return switchedOff;
  return closing ? stopping : undefined;
}

/** 426 is no fault of its own. Codex falls back to POST for good when it sees it, and at once. */
function upgradeRequired(hall: Hall, row: Upgradable, visit: Visit, { message, remedy }: Reason): Response {
  const error = new GatewayError({ kind: 'invalid-request', code: 'upgrade_required' }, message, { remedy });
  const { record } = visit;
  record.error = { code: error.code, scope: error.scope, message };
  const headers = { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-version': '13' };
  const body = row.client.encodeError(error, record.id);
  return recorded(hall, visit, Response.json(body, { status: 426, headers }));
}

/**
 * Pages of others. No browser asks before it opens a WebSocket, so the list of origins is checked here, also when the
 * page knows a key.
 */
function refuseForeignPages(headers: Headers, runtime: Runtime): void {
  const origin = headers.get('origin');
  if (origin === null || allowedOrigin(headers, runtime) !== undefined) return;
  const host = /^https?:\/\/([^/]+)$/i.exec(origin)?.[1];
  if (host !== undefined && (host === headers.get('host') || isLoopbackHost(host))) return;
  throw new GatewayError(
    { kind: 'forbidden', code: 'foreign_origin' },
    'This page may not open a WebSocket here.',
    { remedy: 'Put its origin under `cors.allow-origins` of the config file.' },
  );
}

/** Codex finds its way back to a server by what it was given before. */
function turnState(headers: Headers): Record<string, string> {
  const state = headers.get('x-codex-turn-state');
  return state === null ? {} : { 'x-codex-turn-state': state };
}

/** What belongs to the handshake, and not to any of the turns. */
const handshakeHeaders = [
  'connection',
  'upgrade',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
  'content-length',
  'x-request-id',
  // It would make every turn the repetition of the first one.
  'idempotency-key',
];

/** The headers that each turn's request has, as if it had been posted. */
function turnHeaders(request: Request, carriers: readonly string[]): Headers {
  const headers = new Headers(request.headers);
  for (const name of [...handshakeHeaders, ...carriers]) headers.delete(name);
  const betas = (headers.get('openai-beta') ?? '').split(',').map((beta) => beta.trim());
  const kept = betas.filter((beta) => beta !== '' && !beta.startsWith('responses_websockets='));
  if (kept.length > 0) headers.set('openai-beta', kept.join(', '));
  else headers.delete('openai-beta');
  return headers;
}
