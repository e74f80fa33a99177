import type { Pool } from '../accounts/pool/pool.ts';
import type { Config } from '../config/schema.ts';
import type { GatewayError } from '../core/error.ts';
import { newId } from '../core/id.ts';
import type { Json } from '../core/json.ts';
import type { ChatRequest } from '../core/request.ts';
import type { ClientSide, Echo, EchoMemory, RouteHint, RouteKind } from '../protocols/protocol.ts';
import type { Log } from '../telemetry/log.ts';
import type { RequestRecord } from '../telemetry/record.ts';
import { type Deadline, deadlineAfter } from './deadline.ts';
import type { Exchange } from './exchange.ts';
import type { Joined, Memory } from './memory.ts';
import type { Attempt, Plan } from './plan.ts';
import type { Recall } from './recall.ts';
import { derivedSession, sessionOf } from './session.ts';
import type { Upload } from './upload.ts';

/** What the relay works with, the same for every request. */
export interface RelayTools {
  readonly pool: Pool;
  readonly now: () => number;
  readonly log: Log;
  /** The gateway's own memory of answers; absent, nothing is remembered. */
  readonly memory?: Memory;
  /** Closes a record: logged and counted. */
  close(record: RequestRecord): void;
}

/** The same with what a relay has of its own. */
export interface Desk extends RelayTools {
  /** What clients may drop between turns. */
  readonly recall: Recall;
}

/** One request on its way: what was asked, who may answer, and what is known so far. */
export interface Errand {
  readonly exchange: Exchange;
  readonly client: ClientSide;
  readonly tools: Desk;
  readonly config: Config;
  readonly body: Json;
  readonly hint: RouteHint;
  /** What is asked for: the path decides it where one route stands for several kinds. */
  readonly kind: RouteKind;
  /** The model that is being asked; another one once a fallback's turn has come. */
  plan: Plan;
  /** Leaves in the plan of a fallback only who can serve this request; throws when nobody can. */
  narrow?: (plan: Plan) => Plan;
  /** The form that a raw request sends instead of JSON; `body` holds what is known of its fields. */
  readonly upload?: Upload;
  /** What the answer says of memory. */
  readonly memory?: EchoMemory;
  /** Keeps the answer; absent when nobody may. What the client's side words is kept by itself. */
  keep?(answer: Json): void;
  /** The upstream's own headers that the client may see, where the config lets them through. */
  passed?: Headers;
  /** What broke the answer off after it had begun. */
  broken?: GatewayError;
  /** When the answer must have begun; absent: any time. */
  readonly deadline?: Deadline;
  /** What is to be done when nothing more will be sent, such as giving back a place in the pool. */
  readonly endings: (() => void)[];
  readonly drop: (what: string) => void;
  /** The request in the hall's words; decoded once, and only when somebody needs it. */
  chat(): ChatRequest;
  /** What names the conversation: its client's word for it, or else how it begins. */
  readonly session: () => string;
}

const dropLimit = 100;

/** @param joined its plan is made from the hint, so that an unknown model is told before anything is decoded. */
export function errand(joined: Joined, tools: Desk, hint: RouteHint, upload?: Upload): Errand {
  const { client, body } = joined;
  const limit = joined.exchange.runtime.config.timeouts['total-seconds'];
  const deadline = limit > 0 ? deadlineAfter(limit, joined.exchange.signal) : undefined;
  const exchange = deadline ? { ...joined.exchange, signal: deadline.signal } : joined.exchange;
  let chat: ChatRequest | undefined;
  let session: string | undefined;
  const decoded = () => (chat ??= (exchange.route.codec ?? client).decodeRequest(body, hint));
  return {
    ...joined,
    exchange,
    ...(deadline ? { deadline } : {}),
    tools,
    config: exchange.runtime.config,
    hint,
    kind: hint.kind ?? exchange.route.kind,
    ...(upload ? { upload } : {}),
    endings: [],
    drop: (what) => {
      if (exchange.record.dropped.size < dropLimit) exchange.record.dropped.add(what);
    },
    chat: decoded,
    session: () => (session ??= sessionOf(exchange.headers, body)?.id ?? derivedSession(decoded())),
  };
}

/** Closes the books of a request: nothing more will be sent. */
export function settle({ endings, exchange, tools, deadline }: Errand): void {
  deadline?.met();
  for (const end of endings.splice(0)) end();
  tools.close(exchange.record);
}

/** What the answer of an attempt repeats of its request. */
export function echoOf(errand: Errand, attempt: Attempt | undefined): Echo {
  return {
    get request() {
      return errand.chat();
    },
    model: attempt?.shownAs ?? attempt?.model ?? errand.hint.model,
    createdAt: Math.floor(errand.tools.now() / 1000),
    id: newId(''),
    inputEstimate: Math.ceil(errand.exchange.body.length / 4),
    ...(errand.memory ? { memory: errand.memory } : {}),
    drop: errand.drop,
  };
}
