import type { Connection, Outgoing } from '../channels/channel.ts';
import { asGatewayError, GatewayError } from '../core/error.ts';
import {
  compact,
  type Json,
  parseObject,
  readNumber,
  readObject,
  readObjects,
  readString,
} from '../core/json.ts';
import { type DeclaredModel, inputKinds } from '../core/model.ts';
import type { Limits, Space } from '../state/state.ts';
import type { Log } from '../telemetry/log.ts';
import { type Answered, bytesWithin, send } from '../wire/fetch.ts';

/** What places list of themselves, kept over restarts: a place that cannot be reached now still has its models. */
export interface Discovery {
  /** What a connection's place listed last; undefined when it never did. */
  known(connectionId: string): readonly DeclaredModel[] | undefined;
  /** The connections to look after from now on: those that want it are asked, now and then. Nothing waits for it. */
  watch(connections: readonly Connection[]): void;
  close(): void;
}

export interface DiscoveryOptions {
  readonly space: Space;
  readonly log: Log;
  readonly now: () => number;
  /** Called when some place lists other models than before. */
  changed(): void;
}

/** Room for the lists of every place an operator may have. */
export const discoveryLimits: Limits = {
  entries: 2_000,
  bytes: 32 * 1024 * 1024,
  entryBytes: 1024 * 1024,
  ttlMs: 90 * 24 * 3_600_000,
};

const everyMs = 3_600_000;
const afterFailureMs = 300_000;
const tickMs = 60_000;
const timeouts = { connectMs: 10_000, firstByteMs: 20_000, gapMs: 10_000 };
const mostModels = 2_000;
/** Lists of everything that a vendor has are a few hundred KiB. */
const longestList = 16 * 1024 * 1024;

export function createDiscovery({ space, log, now, changed }: DiscoveryOptions): Discovery {
  const dueAt = new Map<string, number>();
  const asking = new AbortController();
  let watched: readonly Connection[] = [];
  const clock = setInterval(look, tickMs);
  clock.unref();

  function look(): void {
    for (const connection of watched) {
      if (now() < (dueAt.get(connection.id) ?? 0)) continue;
      dueAt.set(connection.id, now() + everyMs);
      void ask(connection);
    }
  }

  async function ask(connection: Connection): Promise<void> {
    try {
      const models = await listOf(connection, asking.signal);
      const before = space.get(connection.id)?.['models'];
      if (Bun.deepEquals(before, models)) return;
      space.put(connection.id, { models });
      log('info', 'models-discovered', { provider: connection.provider, models: models.length });
      changed();
    } catch (thrown) {
      if (asking.signal.aborted) return;
      dueAt.set(connection.id, now() + afterFailureMs);
      const { code, message } = asGatewayError(thrown);
      log('warn', 'models-not-discovered', { provider: connection.provider, code, message });
    }
  }

  return {
    known: (id) => space.get(id)?.['models'] as readonly DeclaredModel[] | undefined,
    watch(connections) {
      watched = connections.filter(({ models, accounts }) => models.live === true && accounts.length > 0);
      look();
    },
    close() {
      clearInterval(clock);
      asking.abort();
    },
  };
}

/** The list that a place gives of itself, asked with its first credential. */
async function listOf(connection: Connection, signal: AbortSignal): Promise<readonly DeclaredModel[]> {
  const account = connection.accounts[0]!;
  if (account.secret.kind === 'login') await account.secret.login.ready(signal);
  const outgoing = connection.prepare({
    account,
    model: '',
    operation: 'models',
    stream: false,
    body: '',
    headers: new Headers(),
    clientHeaders: new Headers(),
    query: '',
  });
  const exchange = (again: Outgoing): Promise<Answered> => send(again, { signal, timeouts });
  const response = await (connection.send?.(outgoing, signal, exchange) ?? exchange(outgoing));
  const text = new TextDecoder().decode(await bytesWithin(response, longestList));
  if (!response.ok)
    throw connection.speaks('').upstream!.decodeError(response.status, response.headers, text);
  const models = modelsIn(parseObject(text));
  if (models.length > 0) return models;
  // More likely broken than empty; what it listed before stays.
  throw new GatewayError({ kind: 'bad-upstream-data' }, 'The place lists no models.');
}

/** The models in a list of any vendor's shape: OpenAI's and Anthropic's `data`, Google's `models`. */
export function modelsIn(body: Json): readonly DeclaredModel[] {
  const rows = [...readObjects(body.data), ...readObjects(body.models)];
  const models = new Map<string, DeclaredModel>();
  for (const row of rows.slice(0, mostModels)) {
    const name = (readString(row.id) ?? readString(row.slug) ?? readString(row.name))?.replace(
      /^models\//,
      '',
    );
    if (name && name.length <= longestName && !models.has(name)) models.set(name, modelIn(row, name));
  }
  return [...models.values()];
}

const longestName = 200;

/** One row, in the words of OpenRouter, Anthropic, Google and others. */
function modelIn(row: Json, name: string): DeclaredModel {
  const count = (...values: readonly unknown[]) => values.map(readNumber).find((value) => value && value > 0);
  const shown = readString(row.display_name) ?? readString(row.displayName) ?? readString(row.name);
  const architecture = readObject(row.architecture);
  return compact({
    name,
    displayName: shown === name || shown?.startsWith('models/') ? undefined : shown,
    contextWindow: count(
      row.context_length,
      row.context_window,
      row.max_input_tokens,
      row.inputTokenLimit,
      row.max_model_len,
    ),
    maxOutputTokens: count(
      readObject(row.top_provider)?.max_completion_tokens,
      row.max_completion_tokens,
      row.max_tokens,
      row.outputTokenLimit,
    ),
    inputs: inputsIn(architecture?.input_modalities ?? row.input_modalities),
  });
}

function inputsIn(value: unknown): DeclaredModel['inputs'] | undefined {
  if (!Array.isArray(value)) return undefined;
  const words = value.map((word) => (word === 'file' ? 'document' : String(word)));
  const inputs = inputKinds.filter((kind) => words.includes(kind));
  return inputs.length > 0 ? inputs : undefined;
}
