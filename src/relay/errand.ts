import type { Pool } from '../accounts/pool.ts';
import type { Config } from '../config/schema.ts';
import { newId } from '../core/id.ts';
import type { Json } from '../core/json.ts';
import type { ChatRequest } from '../core/request.ts';
import type { ClientSide, Echo, RouteHint, RouteKind } from '../protocols/protocol.ts';
import type { Log } from '../telemetry/log.ts';
import type { RequestRecord } from '../telemetry/record.ts';
import type { Exchange } from './exchange.ts';
import type { Attempt, Plan } from './plan.ts';
import type { Upload } from './upload.ts';

/** What the relay works with, the same for every request. */
export interface RelayTools {
  readonly pool: Pool;
  readonly now: () => number;
  readonly log: Log;
  /** Closes a record: logged and counted. */
  close(record: RequestRecord): void;
}

/** One request on its way: what was asked, who may answer, and what is known so far. */
export interface Errand {
  readonly exchange: Exchange;
  readonly client: ClientSide;
  readonly tools: RelayTools;
  readonly config: Config;
  readonly body: Json;
  readonly hint: RouteHint;
  /** What is asked for: the path decides it where one route stands for several kinds. */
  readonly kind: RouteKind;
  readonly plan: Plan;
  /** The form that a raw request sends instead of JSON; `body` holds what is known of its fields. */
  readonly upload?: Upload;
  /** What is to be done when nothing more will be sent, such as giving back a place in the pool. */
  readonly endings: (() => void)[];
  readonly drop: (what: string) => void;
  /** The request in the hall's words; decoded once, and only when somebody needs it. */
  chat(): ChatRequest;
}

const dropLimit = 100;

/** @param plan made from the hint, so that an unknown model is told before anything is decoded. */
export function errand(
  exchange: Exchange,
  client: ClientSide,
  tools: RelayTools,
  body: Json,
  hint: RouteHint,
  plan: Plan,
  upload?: Upload,
): Errand {
  let chat: ChatRequest | undefined;
  return {
    exchange,
    client,
    tools,
    config: exchange.runtime.config,
    body,
    hint,
    kind: hint.kind ?? exchange.route.kind,
    plan,
    ...(upload ? { upload } : {}),
    endings: [],
    drop: (what) => {
      if (exchange.record.dropped.size < dropLimit) exchange.record.dropped.add(what);
    },
    chat: () => (chat ??= (exchange.route.codec ?? client).decodeRequest(body, hint)),
  };
}

/** Closes the books of a request: nothing more will be sent. */
export function settle({ endings, exchange, tools }: Errand): void {
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
    drop: errand.drop,
  };
}
