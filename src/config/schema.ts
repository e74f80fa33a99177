import { type Static, type TObject, type TSchema, Type } from '@sinclair/typebox';
import { rateLimitSchema } from '../accounts/limits.ts';
import { strategies } from '../accounts/policy.ts';
import { channels as everyChannel } from '../channels/index.ts';
import type { Channel } from '../channels/channel.ts';
import {
  choice,
  count,
  duration,
  flag,
  group,
  later,
  list,
  restart,
  text,
  type KeyOptions,
  maybe,
  table,
} from './keys.ts';
import { laterChannels, laterKeys } from './later.ts';
import { loginKeys } from './login-keys.ts';
import { payloadSchema } from './payload.ts';

/** What the reference programs and their users also call the strategies. */
const spellings = {
  '': 'round-robin',
  rr: 'round-robin',
  roundrobin: 'round-robin',
  ff: 'fill-first',
  fillfirst: 'fill-first',
  wrr: 'weighted-round-robin',
  weighted: 'weighted-round-robin',
  weightedroundrobin: 'weighted-round-robin',
  ll: 'least-loaded',
  leastloaded: 'least-loaded',
};

/**
 * The keys of config.yaml that belong to no channel. The descriptions are the reference manual: `check --explain`
 * prints them. Names are those of the reference programs, whose files are read as they are.
 */
const gatewayKeys = {
  host: text(
    '',
    'Address to listen on. Empty: every interface when api-keys holds a key, else this machine only.',
    restart,
  ),
  port: count(8317, 'Port to listen on; 0 lets the system choose a free one.', {
    maximum: 65_535,
    ...restart,
  }),
  tls: group('HTTPS instead of HTTP.', {
    enable: flag(false, 'Switches HTTPS on.', restart),
    cert: text('', 'PEM file with the certificate chain.', restart),
    key: text('', 'PEM file with the private key.', restart),
  }),
  'api-keys': list(
    Type.String(),
    'Keys that clients present. Empty: no key is needed, and only this machine is served.',
  ),
  'auth-dir': text('', 'Folder of the login files. Empty: chosen among the writable places.', restart),
  'logs-dir': text('', 'Folder of the log files. Empty: chosen among the writable places.', restart),
  'state-dir': text(
    '',
    'Folder of what must outlive a restart. Empty: chosen among the writable places.',
    restart,
  ),
  'remote-management': group('The management API under /v0/management.', {
    'secret-key': text(
      '',
      'The management key, plain or as a bcrypt hash. Empty: the management API is off. Never written back.',
    ),
    'allow-remote': flag(false, 'Lets machines other than this one use the management API.'),
    'disable-control-panel': flag(false, 'Hides the management page.', later),
    'disable-auto-update-panel': flag(false, 'Keeps the management page as it is.', {
      withoutEffect: 'the page is part of the program',
    }),
    'panel-github-repository': text('', 'Where the management page comes from.', {
      withoutEffect: 'the page is part of the program',
    }),
  }),
  debug: flag(false, 'Writes debug lines to the log.'),
  'logging-to-file': flag(false, 'Writes the log to files as well.'),
  'logs-max-total-size-mb': count(512, 'Megabytes that all log files may take together; 0: no limit.'),
  'proxy-url': text(
    '',
    'Proxy for every upstream: http, https, socks5 or socks5h, or direct for none. Empty: HTTP(S)_PROXY.',
  ),
  cors: group('Web pages that may call the gateway from a browser.', {
    'allow-origins': list(
      Type.String(),
      'Origins such as https://app.example.com; "*" allows every page. The management API allows none.',
    ),
  }),
  limits: group('What a request may weigh, and how long it may take to come.', {
    'body-mb': count(64, 'Mebibytes of a request body as sent.', { minimum: 1, maximum: 4096 }),
    'decoded-body-mb': count(64, 'Mebibytes of a request body once decompressed.', {
      minimum: 1,
      maximum: 4096,
    }),
    'client-seconds': count(
      60,
      'Seconds a client may be silent on a connection, and may take for a body of up to 1 MiB; for more, between two pieces of it; 0: no limit. The wait for an answer is none of them.',
      { maximum: 255, ...restart },
    ),
  }),
  timeouts: group(
    'How long an upstream may take, by phase; 0: no limit. Running out counts as a failure of that upstream.',
    {
      'connect-seconds': seconds(10, 'Seconds to connect.'),
      'first-byte-seconds': seconds(
        600,
        'Seconds from the request to the first byte of the answer. Whole answers arrive at once, after all thinking.',
      ),
      'gap-seconds': seconds(300, 'Seconds of silence between two bytes of an answer.'),
      'total-seconds': seconds(
        0,
        'Seconds until an answer has begun, over all attempts and waits; 0: no limit.',
      ),
    },
  ),
  streaming: group('Streamed answers.', {
    'heartbeat-seconds': count(15, 'Seconds of silence before the client gets a heartbeat; 0: none.', {
      maximum: 3600,
    }),
    'keepalive-seconds': count(0, 'The older name of heartbeat-seconds; wins when it is above 0.', {
      maximum: 3600,
    }),
    'hold-seconds': count(
      10,
      "Seconds to hold a stream's opening events back for its first content, so that a failure before it can still go to the next credential; 0: not at all.",
      { maximum: 600 },
    ),
    'bootstrap-retries': count(
      0,
      'Extra rounds over all credentials for a stream that has not begun, besides request-retry.',
    ),
  }),
  'nonstream-keepalive-interval': count(
    0,
    'Seconds of silence before the client of a whole answer gets a blank line, and then another each time; 0: none. After the first the status is 200, and a failure is the body alone.',
    { maximum: 3600 },
  ),
  'passthrough-headers': flag(
    false,
    "Lets the headers of the upstream's answer through to the client, but for those of the connection, cookies and CORS.",
  ),
  'responses-websocket-enabled': flag(true, 'Offers the Responses API over a WebSocket.'),
  'responses-compact-enabled': flag(true, 'Offers /v1/responses/compact.'),
  'disable-image-generation': Type.Union(
    [Type.Boolean(), Type.Literal('chat'), Type.Literal('passthrough')],
    {
      default: false,
      description:
        'Keeps clients from making pictures. true: no image endpoints, and no image tool in chats; chat: no image tool in chats; passthrough: as false, because no image tool is ever added.',
    },
  ),
  'gpt-image-2-base-model': text(
    '',
    "The model that draws with a tool where gpt-image models are asked of ChatGPT's backend; empty: gpt-5.4-mini.",
  ),
  routing: group('How a request chooses among credentials.', {
    strategy: choice(
      strategies,
      'round-robin',
      'round-robin takes turns; weighted-round-robin by weight; fill-first stays with the first until it rests; least-loaded takes whoever has the fewest requests in flight.',
      { spellings },
    ),
    'session-affinity': flag(
      true,
      'Keeps a conversation on the credential that knows it, while that is well.',
    ),
    'session-affinity-ttl': duration('1h', 'How long a conversation stays there after its last request.'),
    'quota-reserve-percent': percent(
      5,
      'A credential with less than this left of a quota that its provider tells is used after the others.',
    ),
    'max-cooldown-seconds': count(
      3600,
      'The longest rest, whatever an upstream says; then one request finds out whether it is over.',
      { minimum: 1, maximum: 604_800 },
    ),
    'queue-size': count(100, 'Requests that may wait for a limit at a time, for each model.'),
    'retry-budget-percent': percent(
      20,
      'Share of the requests to a provider that may be asked there again after trouble of the provider itself.',
    ),
  }),
  'provider-limits': table(
    rateLimitSchema,
    'Limits for all credentials of a provider together, by its name.',
  ),
  fallbacks: table(
    list(Type.String({ minLength: 1 }), 'Models in the order to ask them.'),
    'Models that answer when the model of that name cannot, such as gpt-5: [claude-opus-4-5, openrouter/gpt-5]; provider/model asks one provider.',
  ),
  'quota-exceeded': maybe(
    group('What to do when a quota is used up.', {
      'switch-project': flag(
        true,
        'Tries the other projects of the same login next; false: leaves them alone.',
      ),
      'switch-preview-model': flag(true, 'Asks the preview of the model, or the model of the preview.'),
      'antigravity-credits': flag(false, 'Falls back to credits.', {
        withoutEffect: 'how a request asks for them is documented nowhere',
      }),
    }),
  ),
  payload: maybe(payloadSchema),
  'force-model-prefix': flag(false, 'Models of an entry with a prefix are offered under the prefix only.'),
  'request-retry': count(0, 'Extra rounds over all credentials when all have failed.'),
  'max-retry-credentials': count(0, 'Credentials tried for one request at most; 0: all.'),
  'max-retry-interval': count(
    0,
    'Seconds to wait at most for a resting credential before an extra round; 0: a round begins at once or not at all.',
  ),
  'disable-cooling': flag(false, 'No credential ever rests after a failure.'),
  'transient-error-cooldown-seconds': Type.Integer({
    default: 0,
    description:
      'The longest rest after a failed connection or a 5xx, in seconds; 0: the default of 60, below 0: none.',
  }),
  'save-cooldown-status': flag(false, 'Rests of credentials survive a restart.'),
};

function percent(fallback: number, description: string) {
  return Type.Number({ default: fallback, minimum: 0, maximum: 100, description });
}

function seconds(fallback: number, description: string) {
  return Type.Number({ default: fallback, minimum: 0, maximum: 86_400, description });
}

const ownSchema = Type.Object({ ...gatewayKeys, ...loginKeys, ...laterChannels, ...laterKeys });

type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/**
 * A checked config: the keys as in the file, every default filled in. The slices of channels are in it as well, under
 * the keys that each channel names; only the channel knows their types.
 */
export type Config = DeepReadonly<Static<typeof ownSchema>>;

/** The whole document: the gateway's own keys and every channel's. A channel takes over a key listed for later. */
export function documentSchema(channels: readonly Channel[] = everyChannel): TObject {
  const slices: Record<string, TSchema> = {};
  for (const { settings } of channels) {
    for (const [key, slice] of Object.entries(settings)) {
      slices[key] = slice.default === undefined ? Type.Optional(slice) : slice;
    }
  }
  return Type.Object({ ...gatewayKeys, ...loginKeys, ...laterChannels, ...laterKeys, ...slices });
}

/** A key of the document with what its schema says: one row of the reference. */
export interface KeyRow {
  /** Such as `routing.strategy`, `openai-compatibility[].base-url`, `headers.*`. */
  readonly path: string;
  readonly schema: TSchema & KeyOptions;
}

/** Every key of a schema, parents before children. */
export function* rowsOf(schema: TSchema, path = ''): Generator<KeyRow> {
  const { items, properties, patternProperties, anyOf } = schema as Shape;
  for (const [key, child] of Object.entries(properties ?? {})) {
    const own = path === '' ? key : `${path}.${key}`;
    yield { path: own, schema: child };
    yield* rowsOf(child, own);
  }
  for (const member of anyOf ?? []) yield* rowsOf(member, path);
  if (items) yield* rowsOf(items, `${path}[]`);
  for (const child of Object.values(patternProperties ?? {})) yield* rowsOf(child, `${path}.*`);
}

/** The parts of a JSON Schema that this folder walks. */
export interface Shape {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly TSchema[];
  readonly allOf?: readonly TSchema[];
  readonly items?: TSchema;
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly patternProperties?: Readonly<Record<string, TSchema>>;
  readonly additionalProperties?: boolean | TSchema;
  readonly required?: readonly string[];
}

/** Keys that take effect at the next start only. */
export const keysForRestart = (schema: TSchema = documentSchema()): string[] =>
  [...rowsOf(schema)].filter(({ schema: row }) => row.restart === true).map(({ path }) => path);
