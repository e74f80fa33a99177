import { Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import type { GatewayError } from '../core/error.ts';
import { brokenBody } from './transport-error.ts';

/** Reads a body piece by piece; a read that has begun is never lost, also when somebody stops waiting for it. */
export interface Reader {
  /** The next bytes, undefined after the last. @throws GatewayError whatever breaks it. */
  read(): Promise<Uint8Array<ArrayBuffer> | undefined>;
  cancel(): void;
}

/** Who is told that a body is waited for, so that its silence can be judged. */
export interface Waiting {
  wait(): void;
  rest(): void;
  over(): void;
}

/** A reader over a body; an absent one is an empty one. */
export const readerOf = (body: ReadableStream<Uint8Array> | null, waiting?: Waiting): Reader =>
  body === null ? emptied(waiting) : new BodyReader(body, waiting);

function emptied(waiting: Waiting | undefined): Reader {
  waiting?.over();
  return { read: () => Promise.resolve(undefined), cancel() {} };
}

/**
 * Bun's own reader sets 64 KiB aside for each read that waits. Node's stream over the same body takes the size it is
 * told, which makes half of the memory of an open stream.
 */
const aheadBytes = 1024;

class BodyReader implements Reader {
  private readonly source: Readable;
  private pending: PromiseWithResolvers<Uint8Array<ArrayBuffer> | undefined> | undefined = undefined;
  private failure: unknown = undefined;
  private ended = false;

  constructor(
    body: ReadableStream<Uint8Array>,
    private readonly waiting: Waiting | undefined,
  ) {
    this.source = Readable.fromWeb(body as WebStream, { highWaterMark: aheadBytes });
    this.source.on('readable', () => this.settle());
    this.source.on('end', () => this.end(undefined));
    this.source.on('error', (thrown) => this.end(brokenBody(thrown)));
  }

  read(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.pending) return this.pending.promise;
    this.pending = Promise.withResolvers();
    const { promise } = this.pending;
    this.waiting?.wait();
    this.settle();
    return promise;
  }

  cancel(): void {
    this.waiting?.over();
    this.source.destroy();
  }

  private end(failure: GatewayError | undefined): void {
    this.ended = true;
    this.failure = failure;
    this.waiting?.over();
    this.settle();
  }

  /** Answers who waits, once there is something to say. */
  private settle(): void {
    const { pending } = this;
    if (!pending) return;
    const bytes = this.source.read() as Buffer<ArrayBuffer> | null;
    if (bytes === null && !this.ended) return;
    this.pending = undefined;
    if (bytes !== null) {
      this.waiting?.rest();
      pending.resolve(bytes);
    } else if (this.failure) pending.reject(this.failure);
    else pending.resolve(undefined);
  }
}
