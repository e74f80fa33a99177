import type { Pool } from '../accounts/pool/pool.ts';
import type { Walk } from '../accounts/pool/walk.ts';
import type { Config } from '../config/schema.ts';
import type { GatewayError } from '../core/error.ts';
import { newId } from '../core/id.ts';
import type { Json } from '../core/json.ts';
import type { ChatRequest, Message } from '../core/request.ts';
import type { ClientSide, Drop, Echo, EchoMemory, RouteHint, RouteKind } from '../protocols/protocol.ts';
import type { Log } from '../telemetry/log.ts';
import type { RequestRecord } from '../telemetry/record.ts';
import { type Deadline, deadlineAfter } from './deadline.ts';
import type { Exchange } from './exchange.ts';
import type { Joined, Memory } from './memory.ts';
import type { Attempt, Plan } from './routing/plan.ts';
import type { Recall } from './thoughts/recall.ts';
import { derivedSession, sessionOf, textOf } from './session.ts';
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
export class Errand {
  readonly exchange: Exchange;
  readonly client: ClientSide;
  /** The body's fields; without the conversation once it has been let go. */
  body: Json;
  /** About how many tokens the request has. */
  readonly inputEstimate: number;
  /** The model that is being asked; another one once a fallback's turn has come. */
  plan: Plan;
  /** What the answer says of memory. */
  readonly memory: EchoMemory | undefined;
  /** Keeps the answer; absent when nobody may. What the client's side words is kept by itself. */
  readonly keep: ((answer: Json) => void) | undefined;
  /** When the answer must have begun; absent: any time. */
  readonly deadline: Deadline | undefined;
  /** Leaves in the plan of a fallback only who can serve this request; throws when nobody can. */
  narrow: ((plan: Plan) => Plan) | undefined;
  /** The place in the pool that the answer holds until nothing more will be sent. */
  held: Walk<Attempt> | undefined;
  /** The upstream's own headers that the client may see, where the config lets them through. */
  passed: Headers | undefined;
  /** What broke the answer off after it had begun. */
  broken: GatewayError | undefined;
  private request: ChatRequest | undefined;
  private conversation: string | undefined;

  /**
   * @param joined its plan is made from the hint, so that an unknown model is told before anything is decoded.
   * @param upload the form that a raw request sends instead of JSON; `body` holds what is known of its fields.
   */
  constructor(
    { exchange, client, body, plan, memory, keep }: Joined,
    readonly tools: Desk,
    readonly hint: RouteHint,
    readonly upload?: Upload,
  ) {
    const limit = exchange.runtime.config.timeouts['total-seconds'];
    this.deadline = limit > 0 ? deadlineAfter(limit, exchange.signal) : undefined;
    this.exchange = this.deadline ? { ...exchange, signal: this.deadline.signal } : exchange;
    this.client = client;
    this.body = body;
    this.inputEstimate = Math.ceil(exchange.body.length / 4);
    this.plan = plan;
    this.memory = memory;
    this.keep = keep;
  }

  get config(): Config {
    return this.exchange.runtime.config;
  }

  /** What is asked for: the path decides it where one route stands for several kinds. */
  get kind(): RouteKind {
    return this.hint.kind ?? this.exchange.route.kind;
  }

  /** Reports what could not be carried over. */
  readonly drop = (what: string): void => {
    const { dropped } = this.exchange.record;
    if (dropped.size < dropLimit) dropped.add(what);
  };

  /** The request in the hall's words; decoded once, and only when somebody needs it. */
  chat(): ChatRequest {
    const { client, exchange, body, hint } = this;
    return (this.request ??= (exchange.route.codec ?? client).decodeRequest(body, hint));
  }

  /** What names the conversation: its client's word for it, or else how it begins. */
  session(): string {
    return (this.conversation ??=
      sessionOf(this.exchange.headers, this.body)?.id ?? derivedSession(this.chat()));
  }

  /**
   * Lets go of what was said, once a stream has begun and nobody can be asked again: histories are long, and streams last.
   * What is left tells which conversation it is. Where the answer is to be kept, all of it is needed to the end.
   */
  begun(): void {
    if (this.keep) return;
    this.body = { ...this.body, messages: undefined, contents: undefined, input: undefined };
    this.exchange.body = '';
    this.request = this.request ? { ...this.request, messages: ends(this.request.messages) } : nothingSaid;
  }

  /** Closes the books: nothing more will be sent. */
  settle(): void {
    const { held, broken, exchange, tools } = this;
    const { usage } = exchange.record;
    this.held = undefined;
    this.deadline?.met();
    if (broken) held?.failed(broken);
    else held?.end(usage && usage.input + usage.output);
    this.upload?.close();
    tools.close(exchange.record);
  }
}

const dropLimit = 100;

/** What the user said first and last: all that an answer is ever known by. */
function ends(messages: readonly Message[]): readonly Message[] {
  const said = messages.filter(({ role }) => role === 'user');
  const last = said.findLast(({ parts }) => textOf(parts) !== '');
  return [...new Set([said[0], last])].filter((message) => message !== undefined);
}

/** For what passes as bytes: only a failure is worded then, and it repeats nothing. */
const nothingSaid: ChatRequest = {
  model: '',
  system: [],
  messages: [],
  tools: [],
  sampling: {},
  stream: true,
  extra: {},
};

/** What the answer of an attempt repeats of its request. */
export const echoOf = (errand: Errand, attempt: Attempt | undefined): Echo =>
  new ErrandEcho(errand, attempt?.shownAs ?? attempt?.model ?? errand.hint.model);

/** What few answers repeat is made only for those. */
class ErrandEcho implements Echo {
  readonly createdAt: number;
  private given: string | undefined;

  constructor(
    private readonly errand: Errand,
    readonly model: string,
  ) {
    this.createdAt = Math.floor(errand.tools.now() / 1000);
  }

  get request(): ChatRequest {
    return this.errand.chat();
  }

  get id(): string {
    return (this.given ??= newId(''));
  }

  get inputEstimate(): number {
    return this.errand.inputEstimate;
  }

  get memory(): EchoMemory | undefined {
    return this.errand.memory;
  }

  get drop(): Drop {
    return this.errand.drop;
  }
}
