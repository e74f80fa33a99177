import type { Json } from '../../src/core/json.ts';

/** One message of AWS's binary event stream, written by hand: lengths, headers, payload, and both checksums. */
export function awsMessage(headers: Readonly<Record<string, string>>, payload: string): Buffer {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => header(name, value)));
  const body = Buffer.from(payload);
  const prelude = Buffer.alloc(8);
  prelude.writeUInt32BE(16 + head.length + body.length, 0);
  prelude.writeUInt32BE(head.length, 4);
  const front = Buffer.concat([prelude, checksum(prelude), head, body]);
  return Buffer.concat([front, checksum(front)]);
}

/** A header whose value is a string: type 7. */
function header(name: string, value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([7]), length, bytes]);
}

function checksum(bytes: Buffer): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(Bun.hash.crc32(bytes) >>> 0);
  return sum;
}

const json = { ':content-type': 'application/json' };

export const awsEvent = (type: string, payload: Json): Buffer =>
  awsMessage({ ':event-type': type, ...json, ':message-type': 'event' }, JSON.stringify(payload));

export const awsException = (type: string, payload: Json): Buffer =>
  awsMessage({ ':exception-type': type, ...json, ':message-type': 'exception' }, JSON.stringify(payload));

export const awsError = (code: string, message: string): Buffer =>
  awsMessage({ ':error-code': code, ':error-message': message, ':message-type': 'error' }, '');
