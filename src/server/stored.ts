import { Type } from '@sinclair/typebox';
import type { AnyElysia } from 'elysia';
import { GatewayError } from '../core/error.ts';
import type { Continuing } from '../protocols/continuing.ts';
import type { ClientSide, Protocol } from '../protocols/protocol.ts';
import type { Kept, Memory } from '../relay/memory.ts';
import { answer, type EncodeError, type Visit } from './answer.ts';
import { admit } from './gate.ts';
import type { Hall } from './hall.ts';
import { recorded } from './mount.ts';
import { type Description, describe, hidden } from './openapi.ts';
import { aliases } from './paths.ts';

/** Mounts the routes on which clients read and delete the answers that the gateway keeps for them. */
export function mountStored(app: AnyElysia, hall: Hall): void {
  for (const protocol of hall.protocols) {
    const { client } = protocol;
    if (client?.continuing) mountFor(app, hall, protocol, client, client.continuing);
  }
}

/** Whose answer it is, and which. */
interface Sought {
  readonly memory: Memory | undefined;
  readonly tenant: string;
  readonly id: string;
  readonly query: URLSearchParams;
}

function mountFor(app: AnyElysia, hall: Hall, protocol: Protocol, client: ClientSide, own: Continuing): void {
  const encodeError: EncodeError = (error, requestId) => client.encodeError(error, requestId);

  function mount(method: 'GET' | 'DELETE', path: string, doc: Omit<Description, 'tag' | 'path'>, work: Work) {
    const serve = (request: Request, id: string) =>
      answer(hall, request, (visit) => sought(hall, protocol, visit, id, work), encodeError);
    const detail = describe({
      ...doc,
      tag: protocol.id,
      path,
      method,
      sample: path.replace(':id', exampleId),
    });
    for (const each of [path, ...aliases(path)])
      app.route(method, each, ({ request, params }) => serve(request, params.id), {
        detail: each === path ? detail : hidden,
      });
  }

  mount('GET', `${own.path}/:id`, documents.read, ({ memory, tenant, id, query }) => {
    if (query.get('stream') === 'true') throw notStreamed();
    return found(memory, tenant, id).answer;
  });
  mount('GET', `${own.path}/:id/input_items`, documents.input, ({ memory, tenant, id, query }) =>
    own.encodeInput(id, found(memory, tenant, id).input, query),
  );
  mount('DELETE', `${own.path}/:id`, documents.forget, ({ memory, tenant, id }) => {
    if (!memory?.forget(tenant, id)) throw notFound(id);
    return own.encodeDeleted(id);
  });
}

type Work = (sought: Sought) => unknown;

function sought(hall: Hall, protocol: Protocol, visit: Visit, id: string, work: Work): Response {
  const { request, runtime, record, path, search } = visit;
  const query = new URLSearchParams(search);
  record.protocol = protocol.id;
  const { label, tenant } = admit(request.headers, runtime, path, query);
  record.client = label;
  return recorded(hall, visit, Response.json(work({ memory: hall.memory, tenant, id, query })));
}

function found(memory: Memory | undefined, tenant: string, id: string): Kept {
  const kept = memory?.read(tenant, id);
  if (!kept) throw notFound(id);
  return kept;
}

const notFound = (id: string) =>
  new GatewayError({ kind: 'not-found', what: 'item' }, `Response with id '${id.slice(0, 100)}' not found.`, {
    remedy:
      'The gateway keeps what it translated, for a day and for the key that asked. What an upstream keeps itself is read there.',
  });

const notStreamed = () =>
  new GatewayError({ kind: 'invalid-request', field: 'stream' }, 'A kept response is not streamed again.', {
    remedy: 'Leave stream out.',
  });

// ------------------------------------------------------------------------------------------------- the documentation

const open = { additionalProperties: true };
const unknown = { 404: 'The gateway keeps no such response for this key.' };
const exampleId = 'resp_0123456789abcdef01234567';

const documents = {
  read: {
    summary: 'Read a kept response',
    response: Type.Object({ id: Type.String(), object: Type.Literal('response') }, open),
    example: { id: exampleId, object: 'response', status: 'completed', model: 'demo', output: [] },
    failures: unknown,
  },
  input: {
    summary: 'List what was asked for a kept response',
    description:
      'Pages of `limit` items (20 when absent) behind the item `after`, newest first unless `order=asc`.',
    response: Type.Object(
      {
        object: Type.Literal('list'),
        data: Type.Array(Type.Object({ id: Type.String(), type: Type.String() }, open)),
        has_more: Type.Boolean(),
      },
      open,
    ),
    example: {
      object: 'list',
      data: [
        { id: 'msg_1', type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Say hello.' }] },
      ],
      first_id: 'msg_1',
      last_id: 'msg_1',
      has_more: false,
    },
    failures: unknown,
  },
  forget: {
    summary: 'Delete a kept response',
    response: Type.Object({ id: Type.String(), object: Type.String(), deleted: Type.Boolean() }),
    example: { id: exampleId, object: 'response', deleted: true },
    failures: unknown,
  },
};
