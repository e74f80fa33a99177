const sampleRate = 8_000;
const samplesPerWord = 800;
const mostWords = 50;

/** A tone for each word, as WAV: RIFF, 16-bit samples, one channel. */
export function wav(words: readonly string[]): Uint8Array<ArrayBuffer> {
  const spoken = words.slice(0, mostWords);
  const samples = new Int16Array(Math.max(spoken.length, 1) * samplesPerWord);
  for (const [index, word] of spoken.entries()) {
    const hertz = 200 + (Bun.hash.xxHash32(word) % 600);
    for (let at = 0; at < samplesPerWord; at++)
      samples[index * samplesPerWord + at] = 8_000 * Math.sin((2 * Math.PI * hertz * at) / sampleRate);
  }
  const sound = Buffer.from(samples.buffer);
  return Buffer.concat([header(sound.length), sound]);
}

function header(length: number): Buffer {
  const bytes = Buffer.alloc(44);
  bytes.write('RIFF', 0, 'latin1');
  bytes.writeUInt32LE(36 + length, 4);
  bytes.write('WAVEfmt ', 8, 'latin1');
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(sampleRate, 24);
  bytes.writeUInt32LE(sampleRate * 2, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36, 'latin1');
  bytes.writeUInt32LE(length, 40);
  return bytes;
}
