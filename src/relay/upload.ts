import { GatewayError } from '../core/error.ts';
import type { Json } from '../core/json.ts';
import { boundaryOf, type FormField, formFields } from '../wire/multipart.ts';

/**
 * A form with files on its way from the client to an upstream. Only what came up to its `model` field is held back, and
 * what follows flows through as fast as the upstream takes it.
 */
export interface Upload {
  /** The short fields that have come so far, for a route's hint. */
  readonly fields: Json;
  /** Some of it is gone for good: it cannot be sent to another upstream. */
  readonly spent: boolean;
  /** The form for one attempt, with the upstream's own name of the model in it. Ends the one opened before. */
  open(model: string): Form;
  /** Nobody needs the rest. */
  close(): void;
}

export interface Form {
  readonly body: ReadableStream<Uint8Array>;
  /** Bytes of the body, where the client said how many it sends. */
  readonly length: number | undefined;
}

/** What was sent on is kept up to this many bytes, so that a small form can be sent a second time. */
const replayLimit = 1024 * 1024;

const wanted: ReadonlySet<string> = new Set(['model', 'stream']);

/**
 * Reads a form up to its `model` field, which some clients send after the file; then the file is held in memory. The
 * source keeps the limit on bodies, so it bounds that as well.
 * @throws GatewayError what the source fails with, and `invalid-request` for a form that cannot be read.
 */
export async function openUpload(source: ReadableStream<Uint8Array>, headers: Headers): Promise<Upload> {
  const read = formFields(boundaryOf(headers.get('content-type')), wanted);
  const reader = source.getReader();
  const fields: Record<string, unknown> = {};
  let model: FormField | undefined;
  let over = false;

  async function next(): Promise<Uint8Array | undefined> {
    const { done, value } = await reader.read();
    over = done;
    if (done) return undefined;
    for (const field of read.push(value)) {
      if (field.name === 'model' && model) throw repeated();
      if (field.name === 'model') model = field;
      fields[field.name] ??= field.value.trim();
    }
    return value;
  }

  const head: Uint8Array[] = [];
  while (!model && !over) {
    const bytes = await next();
    if (bytes) head.push(bytes);
  }
  const rest = replay(next);
  const length = lengthOf(headers);
  return {
    fields,
    get spent() {
      return rest.spent;
    },
    open(name) {
      if (!model) throw new GatewayError({ kind: 'internal' }, 'A form without a model was sent on.');
      const renamed = fields.model === name ? undefined : new TextEncoder().encode(name);
      const begin = renamed ? spliced(head, model, renamed) : [...head];
      const grown = renamed ? renamed.length - (model.end - model.start) : 0;
      return { body: rest.open(begin), length: length === undefined ? undefined : length + grown };
    },
    close: () => void reader.cancel().catch(() => undefined),
  };
}

/** Bytes of the body as it is passed on; unknown where it comes in chunks or is decompressed on the way. */
function lengthOf(headers: Headers): number | undefined {
  const length = headers.get('content-length');
  return length === null || headers.has('content-encoding') ? undefined : Number(length);
}

/** Parsers disagree on which of two fields counts, so a second one could name another model than was checked. */
const repeated = () =>
  new GatewayError({ kind: 'invalid-request', field: 'model' }, 'The form holds two fields named model.', {
    remedy: 'Send the field once.',
  });

/** The same bytes with one span of them replaced. */
function spliced(
  chunks: readonly Uint8Array[],
  { start, end }: FormField,
  replacement: Uint8Array,
): Uint8Array[] {
  const out: Uint8Array[] = [];
  let at = 0;
  for (const chunk of chunks) {
    const [from, to] = [start - at, end - at];
    if (from > 0) out.push(chunk.subarray(0, from));
    if (from >= 0 && from < chunk.length) out.push(replacement);
    if (to < chunk.length) out.push(chunk.subarray(Math.max(0, to)));
    at += chunk.length;
  }
  return out.filter((piece) => piece.length > 0);
}

interface Replay {
  readonly spent: boolean;
  /** A stream of these pieces and then all that comes from the source, whatever of it others have read before. */
  open(begin: readonly Uint8Array[]): ReadableStream<Uint8Array>;
}

/**
 * Lets several streams, one after the other, read the same source from its beginning, as long as not too much of it has
 * gone by. A read that a stream has begun and not taken is kept for the next one.
 */
function replay(next: () => Promise<Uint8Array | undefined>): Replay {
  /** What came from the source so far; pieces that nobody can ask for again are let go. */
  const pieces: (Uint8Array | undefined)[] = [];
  let room = replayLimit;
  let pending: Promise<boolean> | undefined;
  let current = 0;

  async function readOn(): Promise<boolean> {
    const bytes = await next();
    if (!bytes) return false;
    pieces.push(bytes);
    room -= bytes.length;
    return true;
  }

  const more = () => (pending ??= readOn().finally(() => (pending = undefined)));
  const spent = () => room < 0;

  return {
    get spent() {
      return spent();
    },
    open(begin) {
      const mine = ++current;
      const due = [...begin];
      let at = 0;
      return new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            if (due.length > 0) return controller.enqueue(due.shift()!);
            if (at === pieces.length && !(await more()))
              return mine === current ? controller.close() : undefined;
            if (mine !== current) return;
            controller.enqueue(pieces[at++]!);
            if (spent()) pieces.fill(undefined, 0, at);
          },
          cancel() {
            if (mine === current) current++;
          },
        },
        { highWaterMark: 0 },
      );
    },
  };
}
