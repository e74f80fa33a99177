import { GatewayError } from '../core/error.ts';
import { type Json, readArray, readObject, readObjects } from '../core/json.ts';
import type { Continuing, Memo } from '../protocols/continuing.ts';
import type { ClientSide, EchoMemory, Protocol } from '../protocols/protocol.ts';
import type { Space, State } from '../state/state.ts';
import type { Exchange } from './exchange.ts';
import { type Attempt, narrowed, type Plan } from './routing/plan.ts';

/**
 * The gateway's own memory of answers, for clients whose protocol lets them continue one by its id over upstreams that
 * remember nothing. Every client key has a memory of its own, and never sees another's.
 */
export interface Memory {
  /**
   * The request without anything that only a memory could tell, and with its answer watched when it is to be kept.
   * @throws GatewayError when it refers to what nobody knows, or asks for what nobody who has the model can do.
   */
  join(request: Joining): Joined;
  read(tenant: string, id: string): Kept | undefined;
  /** Returns whether there was one. */
  forget(tenant: string, id: string): boolean;
  /** The conversation up to an answer, the answer included. */
  recall(continuing: Continuing, tenant: string, id: string): readonly Json[] | undefined;
  /** Keeps the conversation up to an answer that must not be stored, in memory and for a short while. */
  park(tenant: string, id: string, transcript: readonly Json[]): void;
}

/** An answer with everything that was asked for it. */
export interface Kept {
  readonly input: readonly Json[];
  readonly answer: Json;
}

export interface Joining {
  readonly exchange: Exchange;
  readonly client: ClientSide;
  readonly body: Json;
  readonly plan: Plan;
}

export interface Joined extends Joining {
  /** What the answer says of memory; undefined where the protocol has no words for it. */
  readonly memory?: EchoMemory;
  /** Keeps the answer; absent when nobody may. What the client's side words is kept by itself. */
  keep?(answer: Json): void;
}

const mebibyte = 1024 * 1024;
const hour = 3_600_000;

/** An answer is kept whole, so that no other's end is its end as well. */
const answerLimits = {
  entries: 4_096,
  bytes: 64 * mebibyte,
  entryBytes: 4 * mebibyte,
  ttlMs: 24 * hour,
};
/** Items stand by themselves as well, because clients name them without naming their answer. */
const itemLimits = { entries: 32_768, bytes: 16 * mebibyte, entryBytes: mebibyte, ttlMs: 24 * hour };
/** What waits for a client that lost its connection. */
const parkedLimits = { entries: 256, bytes: 32 * mebibyte, entryBytes: 8 * mebibyte, ttlMs: hour / 4 };

/**
 * @param durable keeps what clients let us keep, over restarts where it can.
 * @param volatile must not reach a disk.
 */
export function createMemory(durable: State, volatile: State): Memory {
  const answers = durable.space('responses', answerLimits);
  const items = durable.space('response-items', itemLimits);
  const parked = volatile.space('transcripts', parkedLimits);

  function keep(continuing: Continuing, tenant: string, input: readonly Json[], answer: Json): void {
    const id = continuing.idOf(answer);
    if (id === '') return;
    answers.put(keyOf(tenant, id), { input, answer });
    for (const item of continuing.outputOf(answer)) {
      const itemId = continuing.idOf(item);
      if (itemId !== '') items.put(keyOf(tenant, itemId), item);
    }
  }

  function read(tenant: string, id: string): Kept | undefined {
    const found = answers.get(keyOf(tenant, id));
    const answer = readObject(found?.answer);
    return answer && { input: readObjects(found?.input), answer };
  }

  function recall(continuing: Continuing, tenant: string, id: string): readonly Json[] | undefined {
    const waiting = readArray(parked.get(keyOf(tenant, id))?.transcript);
    if (waiting) return readObjects(waiting);
    const kept = read(tenant, id);
    return kept && [...kept.input, ...continuing.outputOf(kept.answer)];
  }

  /** Keeps what a request is answered. */
  const keeper = (continuing: Continuing, tenant: string, body: Json) => (answer: Json) =>
    keep(continuing, tenant, continuing.inputOf(body), answer);

  function joined(request: Joining, continuing: Continuing): Joined {
    const { exchange, client } = request;
    const { tenant = '', route } = exchange;
    const memo = continuing.memo(request.body);
    const found = search(memo, tenant, continuing, items, recall);
    const plan = found.missing || memo.refused ? remembering(request, memo, found, continuing) : request.plan;
    const body = resumed(request, memo, found, continuing);
    const changed = body === request.body ? exchange : { ...exchange, body: JSON.stringify(body) };
    const memory = { previous: memo.previous ?? exchange.continues, kept: memo.keep };
    if (!memo.keep || route.kind !== 'chat' || route.codec)
      return { exchange: changed, client, body, plan, memory };
    const kept = keeper(continuing, tenant, body);
    const watched = watching(client, continuing, kept);
    return { exchange: changed, client: watched, body, plan, memory, keep: kept };
  }

  return {
    join: (request) => (request.client.continuing ? joined(request, request.client.continuing) : request),
    read,
    forget(tenant, id) {
      const waited = parked.delete(keyOf(tenant, id));
      return answers.delete(keyOf(tenant, id)) || waited;
    },
    recall,
    park: (tenant, id, transcript) => parked.put(keyOf(tenant, id), { transcript }),
  };
}

const keyOf = (tenant: string, id: string): string => `${tenant}/${id}`;

/** What a request refers to, as far as the gateway knows it. */
interface Found {
  readonly transcript: readonly Json[] | undefined;
  readonly items: ReadonlyMap<string, Json>;
  /** Something it refers to is not here; an upstream may know it. */
  readonly missing: boolean;
}

const nothing: Found = { transcript: undefined, items: new Map(), missing: false };

function search(
  { previous, references }: Memo,
  tenant: string,
  continuing: Continuing,
  items: Space,
  recall: Memory['recall'],
): Found {
  if (previous === undefined && references.length === 0) return nothing;
  const transcript = previous === undefined ? undefined : recall(continuing, tenant, previous);
  const known = new Map<string, Json>();
  let missing = previous !== undefined && !transcript;
  for (const id of references) {
    const item = items.get(keyOf(tenant, id));
    if (item) known.set(id, item);
    else missing = true;
  }
  return { transcript, items: known, missing };
}

/** Those who may know what the gateway does not: upstreams of the client's own protocol that keep their answers. */
function remembering(
  { exchange, plan }: Joining,
  { previous, refused, references }: Memo,
  { transcript, items }: Found,
  continuing: Continuing,
): Plan {
  const reason = `remember ${exchange.protocol.id}`;
  const options = narrowed(plan.options, reason, (attempt) => remembers(attempt, exchange, continuing));
  if (options.length > 0) return { ...plan, options, restricted: true };
  if (refused) throw refused;
  if (previous !== undefined && !transcript) throw continuing.notFound(previous);
  throw itemNotFound(references.find((id) => !items.has(id)) ?? '');
}

const remembers = ({ protocol, connection }: Attempt, exchange: Exchange, continuing: Continuing): boolean =>
  protocol === exchange.protocol && continuing.remembers(connection.dialect);

/** The request with what it refers to in it. */
function resumed(
  { exchange, body, plan }: Joining,
  { previous, keep }: Memo,
  { transcript, items }: Found,
  continuing: Continuing,
): Json {
  const put = transcript !== undefined || items.size > 0;
  const replayed = put || (exchange.continues !== undefined && !keep);
  if (!replayed) return body;
  const known = previous === undefined || transcript !== undefined;
  const whole = put && known ? continuing.resume(body, { transcript: transcript ?? [], items }) : body;
  return allSpeak(exchange.protocol, plan) ? continuing.bare(whole) : whole;
}

const allSpeak = (protocol: Protocol, { options }: Plan): boolean =>
  options.every((attempt) => attempt.protocol === protocol);

const itemNotFound = (id: string) =>
  new GatewayError({ kind: 'not-found', what: 'item' }, `Item with id '${id.slice(0, 100)}' not found.`, {
    remedy: 'Send the item itself instead of a reference, or set store: false in the client.',
  });

/** The client's side, with every answer it words shown to `onAnswer`. What passes untranslated is not worded by it. */
function watching(client: ClientSide, continuing: Continuing, onAnswer: (answer: Json) => void): ClientSide {
  return {
    ...client,
    encodeReply(reply, echo) {
      const answer = client.encodeReply(reply, echo);
      onAnswer(answer);
      return answer;
    },
    encodeStream(echo) {
      const machine = client.encodeStream(echo);
      return {
        push(event) {
          const said = machine.push(event);
          for (const frame of said) {
            const answer = continuing.answerIn(frame);
            if (answer) onAnswer(answer);
          }
          return said;
        },
        end: () => machine.end(),
      };
    },
  };
}
