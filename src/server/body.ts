import type { Config } from '../config/schema.ts';
import { GatewayError } from '../core/error.ts';
import { rememberedBy } from '../core/remember.ts';

/** How much of a body is read, in bytes. */
export interface BodyLimits {
  /** As it comes over the wire. */
  readonly encoded: number;
  /** After its `Content-Encoding` is undone. */
  readonly decoded: number;
}

const mebibyte = 1024 * 1024;

/** The body limits of a config. */
export const limitsOf = rememberedBy(({ limits }: Config): BodyLimits => ({
  encoded: limits['body-mb'] * mebibyte,
  decoded: limits['decoded-body-mb'] * mebibyte,
}));

/** The code of the one refusal whose status, 415, the table of faults does not hold. */
export const unsupportedEncoding = 'unsupported_content_encoding';

/** The names of RFC 9110 and RFC 8878, and what the platform calls them. */
const formats: Readonly<Record<string, string>> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'brotli',
  zstd: 'zstd',
};

/** A body encoded more often than this is an attack, not a request. */
const mostEncodings = 3;

/**
 * Reads a request's whole body as text, its `Content-Encoding` undone, within the limits. A decompression bomb costs no
 * more than the limit, because the decoder is stopped there.
 * @param moved called for each piece of a body that is too long, or of unknown length, to come at once.
 * @throws GatewayError `too-large` naming the limit, `invalid-request` for an unknown or broken encoding, `cancelled`
 * when the client stops in the middle.
 */
export function readBody(
  request: Request,
  limits: BodyLimits,
  moved: (request: Request) => void,
): Promise<string> {
  const { headers } = request;
  const length = headers.get('content-length');
  refuseLong(length, limits);
  const isShort = length !== null && Number(length) <= shortBytes;
  // Merely reading `request.body` would make Bun build a stream, so the common case stays clear of it.
  if (isShort && !headers.has('content-encoding')) return request.text().then(undefined, stopped);
  return readPieces(request, limits, moved);
}

async function readPieces(
  request: Request,
  limits: BodyLimits,
  moved: (request: Request) => void,
): Promise<string> {
  const encoding = request.headers.get('content-encoding');
  try {
    if (request.body === null) return '';
    return await new Response(limited(request.body, encoding, limits, () => moved(request))).text();
  } catch (thrown) {
    throw readFailure(thrown, request, encoding);
  }
}

/**
 * The body unread, for requests that are passed on while they come. It is pulled no faster than somebody reads it, and
 * it breaks with the errors of `readBody`.
 * @param waits called when the client's next piece is waited for, `rests` when it is not: what is slow then is the upstream.
 * @throws GatewayError `too-large` when the client says so at once.
 */
export function openBody(
  request: Request,
  limits: BodyLimits,
  waits: (request: Request) => void,
  rests: (request: Request) => void,
): ReadableStream<Uint8Array> {
  const encoding = request.headers.get('content-encoding');
  refuseLong(request.headers.get('content-length'), limits);
  const reader = limited(request.body ?? new Blob().stream(), encoding, limits).getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          waits(request);
          const { done, value } = await reader.read();
          rests(request);
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (thrown) {
          throw readFailure(thrown, request, encoding);
        }
      },
      cancel: () => reader.cancel(),
    },
    { highWaterMark: 0 },
  );
}

/** Bytes of a body that a client can be expected to send at once. */
const shortBytes = mebibyte;

/** Refuses a body whose length is told before it comes. */
function refuseLong(length: string | null, { encoded }: BodyLimits): void {
  if (Number(length ?? 0) > encoded) throw tooLarge('encoded', encoded);
}

/** A body within the limits, its `Content-Encoding` undone. */
function limited(body: Bytes, encoding: string | null, limits: BodyLimits, moved?: () => void): Bytes {
  const whole = body.pipeThrough(capped('encoded', limits.encoded, moved));
  return encoding === null ? whole : decoded(whole, encoding, limits.decoded);
}

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

/** Undoes every encoding of a list, last first. Every step's output is capped, those in between as well. */
function decoded(body: Bytes, encoding: string, limit: number): Bytes {
  const names = encoding
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity');
  if (names.length > mostEncodings) throw unsupported(`${names.length} encodings on top of each other`);
  return names.reduceRight((bytes, name) => {
    const format = formats[name];
    if (!format) throw unsupported(`"${name}"`);
    // Bun knows brotli and zstd here, its types only the formats of the standard.
    const decoder = new DecompressionStream(format as ConstructorParameters<typeof DecompressionStream>[0]);
    return bytes.pipeThrough(decoder).pipeThrough(capped('decoded', limit));
  }, body);
}

/** Passes bytes on until there are too many of them. */
function capped(what: keyof BodyLimits, limit: number, moved?: () => void) {
  let taken = 0;
  return new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      taken += chunk.byteLength;
      if (taken > limit) throw tooLarge(what, limit);
      moved?.();
      controller.enqueue(chunk);
    },
  });
}

const settings: Readonly<Record<keyof BodyLimits, string>> = {
  encoded: 'limits.body-mb',
  decoded: 'limits.decoded-body-mb',
};

function tooLarge(what: keyof BodyLimits, limit: number): GatewayError {
  const size = `${limit / 1024 / 1024} MiB`;
  const subject = what === 'encoded' ? 'The request body' : 'The decompressed request body';
  return new GatewayError({ kind: 'too-large' }, `${subject} is larger than the limit of ${size}.`, {
    remedy: `Send less, or raise \`${settings[what]}\` in the config file.`,
  });
}

function unsupported(what: string): GatewayError {
  return new GatewayError(
    { kind: 'invalid-request', code: unsupportedEncoding },
    `The Content-Encoding of the request is not supported: ${what}.`,
    { remedy: 'Send the body as it is, or as gzip, deflate, br or zstd.' },
  );
}

function readFailure(thrown: unknown, request: Request, encoding: string | null): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  if (encoding === null || request.signal.aborted) return stoppedBy(thrown);
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return new GatewayError({ kind: 'invalid-request' }, `The request body is not valid ${encoding}: ${why}.`, {
    cause: thrown,
    remedy: 'Check what compresses it, or send it without Content-Encoding.',
  });
}

const stoppedBy = (cause: unknown): GatewayError =>
  new GatewayError({ kind: 'cancelled' }, 'The client stopped in the middle of its request.', { cause });

function stopped(cause: unknown): never {
  throw stoppedBy(cause);
}
