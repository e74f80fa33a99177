import { deflateSync } from 'node:zlib';
import { wordsOf } from './reading.ts';

const side = 16;

/** A square as PNG, in the colour that a prompt names, or that its words come to. */
export const square = (prompt: string): Uint8Array => png(colourOf(prompt));

type Colour = readonly [red: number, green: number, blue: number];

const colours: Readonly<Record<string, Colour>> = {
  black: [0, 0, 0],
  blue: [0, 0, 255],
  green: [0, 128, 0],
  red: [255, 0, 0],
  white: [255, 255, 255],
  yellow: [255, 255, 0],
};

function colourOf(prompt: string): Colour {
  const named = wordsOf(prompt).find((word) => word in colours);
  if (named !== undefined) return colours[named]!;
  const hash = Bun.hash.xxHash32(prompt);
  return [hash & 255, (hash >> 8) & 255, (hash >> 16) & 255];
}

/** PNG (ISO 15948): signature, header, one deflated image, end. */
function png(colour: Colour): Uint8Array {
  const row = [0, ...Array.from({ length: side }, () => colour).flat()];
  const pixels = Uint8Array.from(Array.from({ length: side }, () => row).flat());
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  // 8 bits a channel, colour type 2: red, green, blue.
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(pixels)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(Bun.hash.crc32(body));
  return Buffer.concat([length, body, check]);
}
