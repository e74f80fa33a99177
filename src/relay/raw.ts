import type { Operation } from '../channels/channel.ts';
import { asGatewayError, GatewayError } from '../core/error.ts';
import type { Usage } from '../core/event.ts';
import { readArray, readObject, readString, replaceTopLevel } from '../core/json.ts';
import { type Answered, passHeaders } from '../wire/fetch.ts';
import { type Reader, readerOf } from '../wire/reader.ts';
import { dispatch, type Said } from './attempt.ts';
import type { Errand } from './errand.ts';
import type { Exchange } from './exchange.ts';
import { canDraw, drawImages } from './pictures/images.ts';
import { meter, usageIn } from './observe.ts';
import { type Attempt, narrowed, type Plan } from './routing/plan.ts';
import { accepts, refusal } from './refusal.ts';
import { refuseSwitchedOff } from './switched-off.ts';

/**
 * Endpoints without a form in the hall: embeddings, images, sound. What the client sends goes to an upstream that has
 * the same endpoint, and the answer comes back as the bytes it is.
 */
export interface RawAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Begun;
  /** What it cost, where that is known before it has gone by. */
  readonly usage?: Usage;
  /** The upstream's. */
  readonly headers: Headers;
}

/** A body whose beginning has come. */
interface Begun {
  /** Not given out yet, oldest first. */
  readonly held: Uint8Array[];
  /** Absent when that is all. */
  readonly rest: Reader | undefined;
}

/** A JSON answer is held back up to this size, so that one that breaks off can be asked for elsewhere. */
const heldBytes = 256 * 1024;

/** Which endpoint is asked for: the path of the route, or Google's verb where the path has an open end. */
function operationOf({ route, params }: Exchange): Operation {
  const verb = /:([^:]+)$/.exec(params['*'] ?? '')?.[1];
  if (route.path.endsWith('/*') && verb !== undefined) return `/v1beta/models:${verb}`;
  return route.path.replace('/backend-api/codex/', '/v1/') as Operation;
}

/**
 * Leaves in the errand's plan, and in those of its fallbacks, only who has the endpoint.
 * @throws GatewayError `unsupported_operation` when nobody who has the model has the endpoint.
 */
export function narrowRaw(errand: Errand): void {
  const operation = operationOf(errand.exchange);
  refuseSwitchedOff(operation, errand.config);
  errand.narrow = (plan) => {
    const options = narrowed(plan.options, operation, (attempt) => canServe(attempt, operation));
    if (options.length === 0) throw unsupported(errand, plan, operation);
    return { ...plan, options };
  };
  errand.plan = errand.narrow(errand.plan);
  if (errand.plan.reasoning) errand.drop('model: its thinking suffix');
}

/** Where a request may go. */
type Place = Pick<Attempt, 'connection' | 'model' | 'protocol'>;

const has = ({ connection, model }: Place, operation: Operation): boolean =>
  connection.can?.(operation, model) ?? false;

const canServe = (place: Place, operation: Operation): boolean =>
  has(place, operation) || canDraw(place, operation);

function unsupported({ exchange }: Errand, plan: Plan, operation: Operation): GatewayError {
  const { registry } = exchange.runtime;
  const names = [...new Set(plan.options.map(({ connection }) => connection.provider))];
  const able = new Map<string, string>();
  for (const { id } of registry.list())
    for (const { connection, model } of registry.find(id))
      if (
        !able.has(connection.provider) &&
        canServe({ connection, model, protocol: connection.speaks(model) }, operation)
      )
        able.set(connection.provider, id);
  const others = [...able].slice(0, 8).map(([provider, model]) => `"${model}" of ${provider}`);
  return new GatewayError(
    { kind: 'invalid-request', field: 'model', code: 'unsupported_operation' },
    `Model "${plan.name}" of ${names.join(', ')} cannot be asked through ${operation}.`,
    {
      remedy:
        others.length > 0
          ? `Ask for a model whose provider has that endpoint: ${others.join(', ')}.`
          : 'No configured provider has it; add one that does to config.yaml.',
    },
  );
}

// --------------------------------------------------------------------------------------------------------- one attempt

/**
 * Sends a raw request to one upstream and waits until its answer has begun.
 * @throws GatewayError decoded by the upstream's protocol and sharpened by the channel.
 */
export async function attemptRaw(errand: Errand, attempt: Attempt): Promise<RawAnswer> {
  const { exchange, upload } = errand;
  const operation = operationOf(exchange);
  exchange.record.direct = has(attempt, operation);
  if (!exchange.record.direct) return drawImages(errand, attempt);
  try {
    const response = await dispatch(errand, attempt, callFor(errand, attempt, operation));
    if (!accepts(errand, attempt, response))
      throw sharpened(await refusal(errand, attempt, response), attempt, operation);
    return await answerOf(response, attempt);
  } catch (thrown) {
    const another = errand.plan.options.length > 1;
    throw upload?.spent && another ? stuck(asGatewayError(thrown)) : thrown;
  }
}

function callFor(errand: Errand, attempt: Attempt, operation: Operation): Said {
  const { exchange, client, hint, upload } = errand;
  const form = upload?.open(attempt.model);
  return {
    operation,
    stream: hint.stream,
    body: form?.body ?? renamed(errand, attempt.model),
    headers: passHeaders(exchange.headers, client.headers),
    query: exchange.query.toString(),
    ...(form?.length === undefined ? {} : { length: form.length }),
  };
}

/**
 * The client's JSON with the upstream's name of the model in it. Google's bodies repeat the name, and so does each
 * request of a batch, with `models/` before it; a body that relies on the usual model gets to name it.
 */
function renamed({ exchange, body, hint }: Errand, to: string): string {
  if (hint.model === to) return exchange.body;
  if (body.model === undefined && !('*' in exchange.params))
    return exchange.body.replace('{', () => `{"model":${JSON.stringify(to)},`);
  const name = (value: unknown) => (readString(value)?.startsWith('models/') ? `models/${to}` : to);
  const requests = readArray(body.requests)?.map((item) => {
    const request = readObject(item);
    return request && 'model' in request ? { ...request, model: name(request.model) } : item;
  });
  const named = replaceTopLevel(exchange.body, 'model', name(body.model));
  return requests ? replaceTopLevel(named, 'requests', requests) : named;
}

async function answerOf(response: Answered, attempt: Attempt): Promise<RawAnswer> {
  const { status, headers } = response;
  const contentType = headers.get('content-type') ?? 'application/octet-stream';
  const common = { status, contentType, headers };
  if (attempt.shownAs === undefined || !isJson(contentType))
    return { ...common, body: await begun(response.body, isJson(contentType) ? heldBytes : 1) };
  const text = await response.text();
  const usage = usageIn(text);
  return {
    ...common,
    body: replaceTopLevel(text, 'model', attempt.shownAs),
    ...(usage ? { usage } : {}),
  };
}

/** Reads so many bytes of a body, or all of it. @throws GatewayError when it breaks before. */
async function begun(body: ReadableStream<Uint8Array> | null, least: number): Promise<Begun> {
  const rest = readerOf(body);
  const held: Uint8Array[] = [];
  for (let size = 0; size < least;) {
    const bytes = await rest.read();
    if (!bytes) return { held, rest: undefined };
    held.push(bytes);
    size += bytes.length;
  }
  return { held, rest };
}

const isJson = (contentType: string) => /\bjson\b/i.test(contentType);
const isText = (contentType: string) => isJson(contentType) || /event-stream/i.test(contentType);

/** A refusal that names no fault of the request comes from a server without this endpoint: another may have it. */
function sharpened(error: GatewayError, { connection }: Attempt, operation: Operation): GatewayError {
  const status = error.fault.kind === 'upstream-failed' ? error.fault.status : 0;
  if (status !== 404 && status !== 405 && status !== 501) return error;
  return error.with({
    fault: { kind: 'invalid-request', field: 'model', code: 'unsupported_operation' },
    scope: 'provider',
    message: `${connection.provider} answers ${status} to ${operation}, so it seems not to have it.`,
    remedy: 'Use a model of another provider; if it should have it, check its base-url in config.yaml.',
  });
}

/** Why nobody else was tried. */
const stuck = (error: GatewayError): GatewayError =>
  error.scope === 'request'
    ? error
    : error.with({
        remedy:
          `${error.remedy ?? ''} The form had been sent on in part, so no other credential could be tried: send it again.`.trim(),
      });

// ------------------------------------------------------------------------------------------------------------ the answer

/** Gives an answer to the client as it comes. */
export function passOn(errand: Errand, answer: RawAnswer): Response {
  const { status, contentType, body, usage } = answer;
  const { record } = errand.exchange;
  record.status = status;
  const headers = new Headers({ 'content-type': contentType, 'x-accel-buffering': 'no' });
  const disposition = answer.headers.get('content-disposition');
  if (disposition !== null) headers.set('content-disposition', disposition);
  if (typeof body !== 'string') return new Response(passing(errand, body, contentType), { status, headers });
  record.usage = usage;
  record.bytesOut = Buffer.byteLength(body);
  record.firstByteMs = sinceStart(errand);
  errand.settle();
  return new Response(body, { status, headers });
}

const sinceStart = ({ exchange }: Errand): number =>
  Math.round(performance.now() - exchange.record.startedAt);

/** The upstream's body, read no faster than the client takes it, and the books closed behind it. */
function passing(errand: Errand, { held, rest }: Begun, contentType: string): ReadableStream<Uint8Array> {
  const { record, signal } = errand.exchange;
  const watch = isText(contentType) ? meter() : undefined;
  let over = false;

  function close(): void {
    if (over) return;
    over = true;
    record.usage = watch?.usage();
    errand.settle();
  }

  function fail(thrown: unknown): never {
    const error = asGatewayError(thrown);
    if (!over && signal.aborted) record.status = 499;
    else if (!over) record.error = { code: error.code, scope: error.scope, message: error.message };
    close();
    throw error;
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bytes = held.shift() ?? (await rest?.read().catch(fail));
        if (over) return;
        if (!bytes) {
          close();
          return controller.close();
        }
        record.firstByteMs ??= sinceStart(errand);
        record.bytesOut += bytes.byteLength;
        watch?.push(bytes);
        controller.enqueue(bytes);
      },
      cancel() {
        record.status = 499;
        rest?.cancel();
        close();
      },
    },
    { highWaterMark: 0 },
  );
}
