import { Refusal } from './refusal.ts';

/**
 * The body of a request as text, read no further than `limit` bytes.
 * @throws Refusal 413 when it is longer, 415 when it is compressed, 400 when it is not UTF-8.
 */
export async function readText(request: Request, limit: number): Promise<string> {
  const encoding = request.headers.get('content-encoding')?.trim().toLowerCase() ?? '';
  if (encoding !== '' && encoding !== 'identity')
    throw new Refusal(415, 'unsupported encoding', 'The body is compressed.', 'Send it as plain UTF-8 text.');
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge(limit);
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of request.body ?? []) {
    size += piece.byteLength;
    if (size > limit) throw tooLarge(limit);
    pieces.push(piece);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces));
  } catch {
    throw new Refusal(
      400,
      'invalid encoding',
      'The body is not valid UTF-8.',
      'Save the file as UTF-8 and send it again.',
    );
  }
}

const tooLarge = (limit: number) =>
  new Refusal(
    413,
    'body too large',
    `The body is larger than ${limit / 1024} KiB.`,
    'Edit the file on disk instead; it is picked up at once.',
  );
