import { type TSchema, Type } from '@sinclair/typebox';
import { type Fault, GatewayError } from '../core/error.ts';
import { type Json, readObject, readObjects, readString } from '../core/json.ts';
import { rememberedBy } from '../core/remember.ts';
import type { ClientSide, Protocol, Route } from '../protocols/protocol.ts';
import { plainError } from './answer.ts';

/** What the OpenAPI document says of one route: an operation object of OpenAPI 3.1. */
export type Operation = Readonly<Record<string, unknown>>;

/** An operation that the document leaves out. */
export const hidden: Operation = { hide: true };

/** A route of the server itself. */
export interface Description {
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** GET when absent. */
  readonly method?: 'GET' | 'DELETE';
  /** Elysia path. */
  readonly path: string;
  /** The path of the curl sample, where it is another. */
  readonly sample?: string;
  readonly response: TSchema;
  readonly example: unknown;
  /** `application/json` when absent. */
  readonly contentType?: string;
  /** Nobody is asked for a key. */
  readonly open?: boolean;
  /** Further answers by status, such as 503, each described in a sentence. */
  readonly failures?: Readonly<Record<number, string>>;
}

/** The operation of a route of the server itself. */
export function describe(route: Description): Operation {
  const content = {
    [route.contentType ?? 'application/json']: { schema: route.response, example: route.example },
  };
  const failures = Object.entries(route.failures ?? {}).map(([status, description]) => [
    status,
    { description },
  ]);
  return {
    tags: [route.tag],
    summary: route.summary,
    ...(route.description ? { description: route.description } : {}),
    operationId: operationId(route.method ?? 'GET', route.path),
    ...(route.open ? { security: [] } : {}),
    responses: { 200: { description: 'OK', content }, ...Object.fromEntries(failures) },
    'x-codeSamples': [command(route.sample ?? route.path, sampleArguments(route))],
  };
}

/** The operation of a protocol's route, from its own `docs` and its dialect's errors. */
export function describeRoute(protocol: Protocol, client: ClientSide, route: Route): Operation {
  const { docs } = route;
  const streams = route.kind === 'chat';
  const requestType = docs.form ? 'multipart/form-data' : 'application/json';
  return {
    tags: [protocol.id],
    summary: docs.summary,
    ...(docs.description ? { description: docs.description } : {}),
    operationId: operationId(route.method, route.path),
    ...(route.method === 'POST'
      ? {
          requestBody: {
            required: true,
            content: { [requestType]: { schema: docs.request, example: docs.example } },
          },
        }
      : {}),
    responses: {
      200: {
        description: streams ? 'The answer, whole or as a stream of server-sent events.' : 'The answer.',
        headers: answerHeaders,
        content: {
          [docs.answers ?? 'application/json']: { schema: docs.response },
          ...(streams ? { 'text/event-stream': { schema: Type.String() } } : {}),
        },
      },
      ...errorResponses(protocol),
    },
    'x-codeSamples': [
      docs.form
        ? curlForm(samplePath(route.path), docs.example)
        : curl([keyHeader, 'Content-Type: application/json'], samplePath(route.path), docs.example),
    ],
  };
}

/** The operation of the upgrade to a WebSocket on a route of a protocol. */
export function describeUpgrade(protocol: Protocol, client: ClientSide, path: string): Operation {
  const refused = new GatewayError(
    { kind: 'invalid-request', code: 'upgrade_required' },
    'No upgrade was asked for.',
  );
  const example = client.encodeError(refused, exampleId);
  return {
    tags: [protocol.id],
    summary: 'Open a WebSocket',
    description:
      'Each message of the client is a `response.create` with the fields of the POST; each message back is one event of its answer. Turns follow each other, and `previous_response_id` continues one on the same connection.',
    operationId: operationId('GET', path),
    responses: {
      101: { description: 'The connection is a WebSocket from here on.' },
      426: {
        description: 'upgrade_required',
        content: { 'application/json': { schema: errorReference(protocol.id), example } },
      },
      ...errorResponses(protocol),
    },
    'x-codeSamples': [
      command(path, ['-i -N --http1.1', ...upgradeHeaders.map((header) => `-H "${header}"`)]),
    ],
  };
}

const sampleArguments = ({ method, open }: Description): readonly string[] => [
  ...(method === 'DELETE' ? ['-X DELETE'] : []),
  ...(open ? [] : [`-H "${keyHeader}"`]),
];

const keyHeader = 'Authorization: Bearer $KEY';

const upgradeHeaders = [
  keyHeader,
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
];

const answerHeaders = {
  'x-request-id': {
    description: 'The id of this request in the log; the one sent as `x-request-id`, or a new one.',
    schema: Type.String(),
  },
  'x-gateway-dropped': {
    description: 'Paths of the request that could not be carried over to the upstream, separated by commas.',
    schema: Type.String(),
  },
};

/** One failure of each status that a client must be ready for. */
const failures: readonly { readonly fault: Fault; readonly message: string; readonly remedy: string }[] = [
  {
    fault: { kind: 'invalid-request', field: 'messages' },
    message: 'messages must be an array.',
    remedy: 'Send at least one message.',
  },
  {
    fault: { kind: 'unauthorized' },
    message: 'No client key was sent.',
    remedy: 'Send one of the keys under `api-keys` of the config file as `Authorization: Bearer <key>`.',
  },
  {
    fault: { kind: 'not-found', what: 'model' },
    message: 'The model "demmo" does not exist.',
    remedy: 'Did you mean "demo"? `GET /v1/models` lists every model.',
  },
  {
    fault: { kind: 'too-large' },
    message: 'The request body is larger than the limit of 64 MiB.',
    remedy: 'Send less, or raise `limits.body-mb` in the config file.',
  },
  {
    fault: { kind: 'rate-limited' },
    message: 'Every credential for this model is throttled.',
    remedy: 'Try again after the time in `Retry-After`.',
  },
  {
    fault: { kind: 'upstream-failed', status: 500 },
    message: 'The upstream failed with status 500.',
    remedy: 'Try again; if it stays, look up the request id in the log.',
  },
  {
    fault: { kind: 'unavailable' },
    message: 'No credential can serve this model now.',
    remedy: 'Try again after the time in `Retry-After`.',
  },
  {
    fault: { kind: 'transport', phase: 'first-byte' },
    message: 'The upstream did not answer in time.',
    remedy: 'Try again, or raise the time limit in the config file.',
  },
];

const exampleId = 'req_5b0c1f6e2a9d4c7f8e3b1a20';

/** The error answers of a protocol's routes, by status, each with an example in its words; made once for all of them. */
const errorResponses = rememberedBy(({ id, client }: Protocol): Operation => {
  const responses = failures.map(({ fault, message, remedy }) => {
    const error = new GatewayError(fault, message, { remedy });
    const content = { schema: errorReference(id), example: client?.encodeError(error, exampleId) };
    return [error.status, { description: error.code, content: { 'application/json': content } }];
  });
  return Object.fromEntries(responses) as Operation;
});

const errorReference = (dialect: string) => ({ $ref: `#/components/schemas/${dialect}.error` });

/** The error shape of every dialect, under the names that the operations refer to. */
export function errorSchemas(protocols: readonly Protocol[]): Operation {
  const error = new GatewayError({ kind: 'unauthorized' }, 'No client key was sent.');
  const schemas = protocols.flatMap(({ id, client }) =>
    client ? [[`${id}.error`, schemaOf(client.encodeError(error, exampleId))]] : [],
  );
  return { ...Object.fromEntries(schemas), 'gateway.error': schemaOf(plainError(error, exampleId)) };
}

/** The shape of an example: what each field's type is, and that all of them are there. */
function schemaOf(example: unknown): Json {
  if (Array.isArray(example)) return { type: 'array', items: example.length > 0 ? schemaOf(example[0]) : {} };
  if (example === null) return { type: ['string', 'null'] };
  if (typeof example !== 'object') return { type: typeof example };
  const fields = Object.entries(example).map(([name, value]) => [name, schemaOf(value)] as const);
  return { type: 'object', properties: Object.fromEntries(fields), required: fields.map(([name]) => name) };
}

/** An Elysia path in OpenAPI's spelling. An open end stands for a model, because only their names hold slashes. */
export const openApiPath = (path: string): string =>
  path.replaceAll(/:(\w+)/g, '{$1}').replaceAll('*', '{model}');

/** A path that can be called: the open ends of Gemini's paths name a model of the `demo` channel and a method. */
const samplePath = (path: string): string => path.replace('*', 'demo:generateContent');

/** `POST /v1/chat/completions` as `postV1ChatCompletions`. */
function operationId(method: string, path: string): string {
  const words = openApiPath(path).match(/[A-Za-z0-9]+/g) ?? ['root'];
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

/** A command that can be pasted into a shell where `KEY` holds a client key. */
function curl(headers: readonly string[], path: string, body?: Json): Operation {
  return command(path, [
    ...headers.map((header) => `-H "${header}"`),
    ...(body === undefined ? [] : [`-d ${quoted(JSON.stringify(body))}`]),
  ]);
}

/** The same for a form: text that begins with `@` names a file. */
const curlForm = (path: string, fields: Json): Operation =>
  command(path, [
    `-H "${keyHeader}"`,
    ...Object.entries(fields).map(([name, value]) => `-F ${quoted(`${name}=${String(value)}`)}`),
  ]);

/** What the shell is to fill in stands as `$NAME` in the path. */
const command = (path: string, options: readonly string[]): Operation => {
  const url = `http://localhost:8317${path}`;
  const address = /[?$]/.test(path) ? `"${url}"` : url;
  return { lang: 'Shell', label: 'curl', source: [`curl ${address}`, ...options].join(' \\\n  ') };
};

const quoted = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/**
 * The curl line of a management route, from what its operation says: parameters and bodies that have an example, and what
 * has to be there. `$NAME` stands for what only its reader knows.
 * @param path as OpenAPI spells it.
 */
export function managementSample(method: string, path: string, operation: Json): Operation {
  const parameters = readObjects(operation['parameters']);
  const valueOf = (name: string): string =>
    readString(parameters.find((one) => one['name'] === name)?.['example']) ?? `$${name.toUpperCase()}`;
  const query = parameters
    .filter((one) => one['in'] === 'query' && (one['required'] || one['example']))
    .map(({ name }) => `${String(name)}=${valueOf(String(name))}`);
  const address = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => valueOf(name));
  return command(address + (query.length > 0 ? `?${query.join('&')}` : ''), [
    ...(method === 'GET' ? [] : [`-X ${method}`]),
    '-H "Authorization: Bearer $MANAGEMENT_KEY"',
    ...bodyOptions(readObject(readObject(operation['requestBody'])?.['content']) ?? {}),
  ]);
}

/** How a body of the first kind that a route takes is sent: its example, or a file. */
function bodyOptions(content: Json): readonly string[] {
  const [type] = Object.keys(content);
  if (type === undefined) return [];
  if (type === 'multipart/form-data') return ['-F file=@key.json'];
  const example = readObject(content[type])?.['example'];
  const file = type === 'application/json' ? 'codex-user.json' : 'config.yaml';
  return [
    `-H "Content-Type: ${type}"`,
    example === undefined ? `--data-binary @${file}` : `-d ${quoted(JSON.stringify(example))}`,
  ];
}
