import type { AnyElysia } from 'elysia';
import type { ClientSide, Protocol, Route } from '../protocols/protocol.ts';
import { answer, type EncodeError, type Visit } from './answer.ts';
import { limitsOf, openBody, readBody } from './body.ts';
import { admit, removeKeys } from './gate.ts';
import type { Hall } from './hall.ts';
import { describeRoute, hidden, type Operation } from './openapi.ts';
import { aliases } from './paths.ts';

/**
 * Mounts the route table of every protocol. Elysia only finds the route: the body stays unread and unchecked until it
 * is decoded, because a schema here would drop the fields it does not name.
 */
export function mountClients(app: AnyElysia, hall: Hall): void {
  const rows = hall.protocols.flatMap((protocol) => {
    const { client } = protocol;
    return client ? client.routes.map((route) => ({ protocol, client, route })) : [];
  });
  const allow: Allow = (request, seconds) => app.server?.timeout(request, seconds);
  const taken = new Set(rows.map(({ route }) => `${route.method} ${route.path}`));
  for (const { protocol, client, route } of rows) {
    const serve = relaying(hall, protocol, client, route, allow);
    // Elysia reads a handler's text to learn what it needs, such as the body, and whether to wait for it. A bound one shows none.
    const handler = serve.bind(undefined);
    const mount = (path: string, detail: Operation) => app.route(route.method, path, handler, { detail });
    mount(route.path, describeRoute(protocol, client, route));
    for (const path of aliases(route.path)) {
      if (taken.has(`${route.method} ${path}`)) continue;
      taken.add(`${route.method} ${path}`);
      mount(path, hidden);
    }
  }
}

/** The query of whoever has none; nobody changes it. */
const noQuery = new URLSearchParams();

/** Lets the connection of a request be silent for so many seconds from now on; 0 means for ever. */
type Allow = (request: Request, seconds: number) => void;

/** What Elysia gives a handler, as far as it is used. */
interface Met {
  readonly request?: Request;
  readonly params?: Visit['params'];
}

/** What happens on one route: who asks, what is sent, and then the relay's turn. */
function relaying(hall: Hall, protocol: Protocol, client: ClientSide, route: Route, allow: Allow) {
  const encodeError: EncodeError = (error, requestId) => client.encodeError(error, requestId);
  const moved = (request: Request) => allow(request, hall.steward.current.config.limits['client-seconds']);
  const rest = (request: Request) => allow(request, 0);
  const relay = ({ request, params, path, search, runtime, record }: Visit) => {
    const { headers, signal } = request;
    const query = search === '' ? noQuery : new URLSearchParams(search);
    record.protocol = protocol.id;
    const { label, tenant, carriers } = admit(headers, runtime, path, query);
    record.client = label;
    for (const carrier of carriers) headers.delete(carrier);
    if (search !== '') removeKeys(query);
    const body = '';
    const exchange = { runtime, protocol, route, params, query, headers, tenant, body, signal, record };
    const limits = limitsOf(runtime.config);
    if (route.kind === 'raw' && isForm(headers))
      return hall.relay({ ...exchange, stream: openBody(request, limits, moved, rest) });
    const handOver = (text: string) => {
      rest(request);
      exchange.body = text;
      return hall.relay(exchange);
    };
    return route.method === 'GET' ? handOver('') : readBody(request, limits, moved).then(handOver);
  };
  return ({ request, params }: Met) => answer(hall, request!, relay, encodeError, params);
}

/** A form may hold files, which are passed on while they come. */
const isForm = (headers: Headers) => /^\s*multipart\/form-data\b/i.test(headers.get('content-type') ?? '');
