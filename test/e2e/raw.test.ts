import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Value } from '@sinclair/typebox/value';
import { GoogleGenAI } from '@google/genai';
import OpenAI, { BadRequestError, NotFoundError, RateLimitError, toFile } from 'openai';
import { protocols } from '../../src/protocols/index.ts';
import { cleanUp, clientKey, type Program, shell, start, temporaryHome } from '../support/binary.ts';

/** The endpoints that are no chat, on the binary, with OpenAI's own SDK in front of it. */

const mebibyte = 1024 * 1024;
const upstreamKey = 'sk-upstream-0123456789abcdef';
const rows = protocols.flatMap(({ client }) => client?.routes ?? []).filter(({ kind }) => kind === 'raw');
/** The demo has all of them but the compaction of a Responses conversation. */
const documented = rows.filter(({ path }) => !path.endsWith('/compact'));

let program: Program;
let provider: Bun.Server<undefined>;
let gpt: OpenAI;
const heard: Heard[] = [];

interface Heard {
  readonly path: string;
  readonly headers: Headers;
  bytes: number;
  text: string;
  /** How the gateway's thread for upstreams is scheduled when the body begins to come. */
  scheduled: number | undefined;
}

beforeAll(async () => {
  provider = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch: answer,
  });
  program = await start({
    config: [
      'demo: {enabled: true, delay-ms: 0}',
      'limits: {body-mb: 1024}',
      'openai-compatibility:',
      '  - name: sim',
      `    base-url: http://127.0.0.1:${provider.port}/v1`,
      `    api-key-entries: [{api-key: ${upstreamKey}}]`,
      '    models: [{name: vendor-model, alias: sim}]',
      'gemini-api-key:',
      `  - base-url: http://127.0.0.1:${provider.port}`,
      '    api-key: google-key',
      '    models: [{name: gemini-2.5-flash-image, alias: draw}, {name: imagen-4.0-generate-001}, {name: gemini-embedding-001, alias: embed}]',
      '',
    ].join('\n'),
  });
  gpt = new OpenAI({ apiKey: clientKey, baseURL: `${program.url}/v1`, maxRetries: 0 });
});
afterAll(() => provider.stop(true));
afterAll(cleanUp);

/** A provider that says what it heard, and holds nothing of it but the first KiB. */
async function answer(request: Request): Promise<Response> {
  const { pathname: path } = new URL(request.url);
  const headers = new Headers(request.headers);
  if (path.startsWith('/v1beta/models/')) return google(path, headers, await request.json());
  if (headers.get('authorization') !== `Bearer ${upstreamKey}`)
    return Response.json({ error: { message: 'Bad key', code: 'invalid_api_key' } }, { status: 401 });
  const call: Heard = { path, headers, bytes: 0, text: '', scheduled: undefined };
  heard.push(call);
  for await (const chunk of request.body ?? []) {
    call.scheduled ??= upstreamThread();
    if (call.text.length < 1024) call.text += Buffer.from(chunk).toString('latin1').slice(0, 1024);
    call.bytes += chunk.length;
  }
  if (path === '/v1/audio/speech') return new Response(tone(), { headers: { 'content-type': 'audio/mpeg' } });
  if (path === '/v1/moderations')
    return Response.json({ error: { message: 'Too long', param: 'input' } }, { status: 400 });
  if (call.text.includes('"stream":true'))
    return new Response('data: {"type":"image_generation.partial_image","b64_json":"QQ=="}\n\n', {
      headers: { 'content-type': 'text/event-stream' },
    });
  return Response.json({ text: `${call.bytes} bytes`, data: [], usage: { prompt_tokens: 3 } });
}

/** Google as far as pictures and embeddings go. */
function google(path: string, headers: Headers, body: any): Response {
  if (headers.get('x-goog-api-key') !== 'google-key') return Response.json({}, { status: 401 });
  if (path === '/v1beta/models/gemini-2.5-flash-image:generateContent')
    return Response.json({
      candidates: [
        {
          content: { role: 'model', parts: [{ inlineData: { mimeType: 'image/png', data: 'R0VN' } }] },
          finishReason: 'STOP',
        },
      ],
      usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 10, totalTokenCount: 15 },
    });
  if (path === '/v1beta/models/imagen-4.0-generate-001:predict')
    return Response.json({
      predictions: Array.from({ length: body.parameters.sampleCount }, () => ({
        mimeType: 'image/png',
        bytesBase64Encoded: 'SU1H',
      })),
    });
  if (path === '/v1beta/models/gemini-embedding-001:batchEmbedContents')
    return Response.json({ embeddings: body.requests.map(({ model }: any) => ({ values: [model.length] })) });
  return Response.json({ error: { code: 404, status: 'NOT_FOUND', message: path } }, { status: 404 });
}

async function* tone(): AsyncIterable<Uint8Array> {
  for (let count = 0; count < 50; count++) yield new Uint8Array(10_000).fill(count);
}

describe('the documented examples, against demo', () => {
  test('there is one for each of the endpoints', () => {
    expect(documented.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        '/v1/embeddings',
        '/v1/images/generations',
        '/v1/images/edits',
        '/v1/audio/speech',
        '/v1/audio/transcriptions',
        '/v1/audio/translations',
        '/v1/moderations',
        '/v1/rerank',
      ]),
    );
  });

  test.each(documented.map((row) => [row.path, row] as const))(
    '%s answers the curl line as its schema says',
    async (path, { docs }) => {
      const folder = temporaryHome();
      mkdirSync(folder, { recursive: true });
      for (const value of Object.values(docs.example))
        if (String(value).startsWith('@')) writeFileSync(join(folder, String(value).slice(1)), 'RIFF....');
      const document: any = await (await fetch(`${program.url}/openapi.json`)).json();
      const operation = document.paths[path].post;
      const line = operation['x-codeSamples'][0].source.replace('http://localhost:8317', program.url);
      const said = await shell(`cd ${folder} && ${line} -sS --fail-with-body -o answer`, { KEY: clientKey });
      expect(said).toMatchObject({ code: 0, stderr: '' });
      const body = readFileSync(join(folder, 'answer'));
      if (docs.answers !== undefined) return expect(body.subarray(0, 4).toString()).toBe('RIFF');
      expect([...Value.Errors(docs.response, JSON.parse(body.toString()))]).toEqual([]);
    },
  );
});

describe("OpenAI's SDK", () => {
  test('gets embeddings, as numbers and as the base64 it asks for by itself', async () => {
    const input = ['a cat eats fish', 'cats eat fish', 'stocks fell'];
    const { data, usage } = await gpt.embeddings.create({ model: 'demo', input, dimensions: 256 });
    const [one, two, other] = data.map(({ embedding }) => embedding);
    expect(one).toHaveLength(256);
    const near = (a: readonly number[], b: readonly number[]) =>
      a.reduce((sum, value, at) => sum + value * b[at]!, 0);
    expect(near(one!, two!)).toBeGreaterThan(near(one!, other!));
    expect(usage.prompt_tokens).toBeGreaterThan(0);
    const plain = await gpt.embeddings.create({
      model: 'demo',
      input: input[0]!,
      dimensions: 256,
      encoding_format: 'float',
    });
    for (const [at, value] of plain.data[0]!.embedding.entries()) expect(value).toBeCloseTo(one![at]!, 6);
  });

  test('makes and changes images', async () => {
    const made = await gpt.images.generate({ model: 'demo', prompt: 'a red square', n: 2 });
    expect(made.data).toHaveLength(2);
    const png = Buffer.from(made.data![0]!.b64_json!, 'base64');
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    const image = await toFile(png, 'red.png', { type: 'image/png' });
    const changed = await gpt.images.edit({ model: 'demo', image, prompt: 'make it blue' });
    expect(changed.data![0]!.b64_json).not.toBe(made.data![0]!.b64_json);
  });

  test("makes images with Google's models, by the channel that speaks to them", async () => {
    const gemini = await gpt.images.generate({ model: 'draw', prompt: 'a cat', n: 2 });
    expect(gemini.data).toEqual([{ b64_json: 'R0VN' }, { b64_json: 'R0VN' }]);
    expect(gemini.usage?.total_tokens).toBe(30);
    const imagen = await gpt.images.generate({ model: 'imagen-4.0-generate-001', prompt: 'a cat', n: 3 });
    expect(imagen.data).toEqual(Array.from({ length: 3 }, () => ({ b64_json: 'SU1H' })));
  });

  test('hears a stream of images as the provider tells it', async () => {
    const stream = await gpt.images.generate({ model: 'sim', prompt: 'x', stream: true });
    const types: string[] = [];
    for await (const event of stream) types.push(event.type);
    expect(types).toEqual(['image_generation.partial_image']);
  });

  test('speaks, and writes down what is spoken, whatever comes first in the form', async () => {
    const spoken = await gpt.audio.speech.create({
      model: 'demo',
      voice: 'alloy',
      input: 'Hello there.',
      response_format: 'wav',
    });
    const wav = Buffer.from(await spoken.arrayBuffer());
    expect(wav.readUInt32LE(40)).toBe(wav.length - 44);
    const file = () => toFile(wav, 'größe.wav', { type: 'audio/wav' });
    const expected = `größe.wav, ${wav.length} bytes`;
    const first = await gpt.audio.transcriptions.create({ model: 'demo', file: await file() });
    const last = await gpt.audio.transcriptions.create({ file: await file(), model: 'demo' });
    const text = await gpt.audio.transcriptions.create({
      file: await file(),
      model: 'demo',
      response_format: 'text',
    });
    const english = await gpt.audio.translations.create({ file: await file(), model: 'demo' });
    expect([first.text, last.text, text as unknown, english.text]).toEqual([
      expected,
      expected,
      `${expected}\n`,
      expected,
    ]);
  });

  test('hears the sound of a provider as it comes', async () => {
    const response = await gpt.audio.speech.create({ model: 'sim', voice: 'alloy', input: 'x' });
    expect(response.headers.get('content-type')).toBe('audio/mpeg');
    expect((await response.arrayBuffer()).byteLength).toBe(500_000);
  });

  test('judges', async () => {
    const { results } = await gpt.moderations.create({ model: 'demo', input: ['I like you', 'I kill you'] });
    expect(results.map(({ flagged }) => flagged)).toEqual([false, true]);
    expect(results[1]!.categories.violence).toBe(true);
  });

  test('gets errors it knows', async () => {
    const failed = async (promise: Promise<unknown>) => promise.then(Boolean, (error) => error);
    const input = 'x';
    const bad = await failed(gpt.moderations.create({ model: 'sim', input }));
    expect(bad).toBeInstanceOf(BadRequestError);
    expect([bad.param, bad.message]).toEqual(['input', expect.stringContaining('Too long')]);
    const unknown = await failed(gpt.embeddings.create({ model: 'nobody', input }));
    expect(unknown).toBeInstanceOf(NotFoundError);
    const lacking = await failed(gpt.embeddings.create({ model: 'demo-claude', input }));
    expect([lacking.status, lacking.code]).toEqual([400, 'unsupported_operation']);
    expect(lacking.message).toContain('"sim" of sim');
    const limited = await failed(gpt.embeddings.create({ model: 'demo', input: 'fail with 429' }));
    expect(limited).toBeInstanceOf(RateLimitError);
  });
});

describe("Google's SDK", () => {
  test('gets embeddings', async () => {
    const httpOptions = { baseUrl: program.url, apiVersion: 'v1beta' };
    const client = new GoogleGenAI({ apiKey: clientKey, httpOptions });
    const { embeddings } = await client.models.embedContent({ model: 'embed', contents: ['a', 'b'] });
    const length = 'models/gemini-embedding-001'.length;
    expect(embeddings).toEqual([{ values: [length] }, { values: [length] }]);
  });
});

describe.skipIf(process.platform !== 'linux')('a large form (told by /proc, which only Linux has)', () => {
  test('of 200 MiB passes through without being held', async () => {
    const peak = () =>
      Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${program.pid}/status`, 'utf8'))![1]) * 1024;
    heard.length = 0;
    const before = peak();
    const { reply, length } = await uploaded(200 * mebibyte);
    const total = length + 'vendor-model'.length - 'sim'.length;
    expect(reply).toContain(`"text":"${total} bytes"`);
    expect(heard[0]!.text).toContain('name="model"\r\n\r\nvendor-model\r\n');
    expect(heard[0]!.headers.get('content-length')).toBe(String(total));
    expect(peak() - before).toBeLessThan(64 * mebibyte);
  });

  test('may interrupt the main thread while it flows, as nothing else that is sent may', async () => {
    await gpt.embeddings.create({ model: 'sim', input: 'hello' });
    expect(upstreamThread()).toBe(batch);
    heard.length = 0;
    await uploaded(4 * mebibyte);
    expect(heard[0]!.scheduled).toBe(ordinary);
    expect(upstreamThread()).toBe(batch);
  });
});

/** sched(7): SCHED_OTHER and SCHED_BATCH. */
const [ordinary, batch] = [0, 3];

/** How the gateway's thread for upstreams is scheduled: the 41st field of proc_pid_stat(5). */
function upstreamThread(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const tasks = `/proc/${program.pid}/task`;
  const all = readdirSync(tasks).map((id) => readFileSync(`${tasks}/${id}/stat`, 'latin1'));
  const its = all.find((stat) => stat.includes('(HTTP Client)'));
  return its === undefined ? undefined : Number(its.slice(its.lastIndexOf(')') + 2).split(' ')[38]);
}

/** Sends a form with a file of so many bytes, as fast as it is taken. */
async function uploaded(size: number): Promise<{ reply: string; length: number }> {
  const boundary = 'large-0123';
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nsim\r\n--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n`;
  const tail = `\r\n--${boundary}--\r\n`;
  const length = head.length + size + tail.length;
  const request = [
    'POST /v1/audio/transcriptions HTTP/1.1',
    `Host: 127.0.0.1:${program.port}`,
    `Authorization: Bearer ${clientKey}`,
    `Content-Type: multipart/form-data; boundary=${boundary}`,
    `Content-Length: ${length}`,
    'Connection: close',
    '',
    head,
  ];
  return { reply: await poured(request.join('\r\n'), size, tail), length };
}

/** Sends a request with so many bytes in the middle, as fast as it is taken; gives the answer. */
function poured(head: string, size: number, tail: string): Promise<string> {
  const chunk = Buffer.alloc(mebibyte, 120);
  return new Promise((resolve, reject) => {
    const socket = connect(program.port, '127.0.0.1');
    let left = size;
    let reply = '';
    const send = () => {
      while (left > 0) {
        const taken = socket.write(chunk.subarray(0, Math.min(left, chunk.length)));
        left -= Math.min(left, chunk.length);
        if (left === 0) return void socket.write(tail);
        if (!taken) return void socket.once('drain', send);
      }
    };
    socket.on('data', (bytes) => (reply += bytes.toString()));
    socket.on('end', () => resolve(reply));
    socket.on('error', reject);
    socket.write(head, send);
  });
}
