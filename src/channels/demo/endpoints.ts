import { newId } from '../../core/id.ts';
import { type Json, readArray, readNumber, readObject, readString, tryParseObject } from '../../core/json.ts';
import { refuse } from './chat.ts';
import { answerCompaction } from './compaction.ts';
import { square } from './picture.ts';
import { jsonAnswer, strings, tokensOf, wordsOf } from './reading.ts';
import { wav } from './sound.ts';

/** The demo as a server of OpenAI's endpoints that are no chat. The same request always gets the same answer. */

type Endpoint = (fields: Json) => Response;

/** By the path that a request goes to. */
const endpoints: ReadonlyMap<string, Endpoint> = new Map<string, Endpoint>([
  ['/v1/embeddings', answerEmbeddings],
  ['/v1/images/generations', answerImages],
  ['/v1/images/edits', answerImages],
  ['/v1/audio/speech', answerSpeech],
  ['/v1/audio/transcriptions', answerTranscript],
  ['/v1/audio/translations', answerTranscript],
  ['/v1/moderations', answerModerations],
  ['/v1/rerank', answerRerank],
  ['/v1/responses/compact', answerCompaction],
]);

/** Whether there is such an endpoint. */
export const hasEndpoint = (path: string): boolean => endpoints.has(path);

/** Answers a request to one of them, JSON or a form, as the wire would. */
export async function answerEndpoint(path: string, request: Response): Promise<Response> {
  const fields = await fieldsOf(request);
  const asked = readString(fields.input) ?? readString(fields.prompt) ?? readString(fields.query) ?? '';
  const status = Number(/\bfail with (\d{3})\b/i.exec(asked)?.[1]);
  if (status >= 400 && status <= 599) return refuse(status, `The demo was asked to fail with ${status}.`);
  return endpoints.get(path)?.(fields) ?? refuse(404, `There is no endpoint ${path}.`);
}

/** A form's fields are text, and its files are files. */
async function fieldsOf(request: Response): Promise<Json> {
  if (!/^multipart\//i.test(request.headers.get('content-type') ?? ''))
    return tryParseObject(await request.text()) ?? {};
  const form = await request.formData();
  return Object.fromEntries(form.entries());
}

const modelOf = ({ model }: Json) => readString(model) ?? 'demo';
const missing = (field: string) => refuse(400, `Missing required parameter: '${field}'.`, field);

// ----------------------------------------------------------------------------------------------------------- embeddings

const defaultDimensions = 64;

function answerEmbeddings(body: Json): Response {
  const { input } = body;
  const tokens = readArray(input)?.some((item) => typeof item === 'number') ? [JSON.stringify(input)] : [];
  const texts = tokens.length > 0 ? tokens : (readArray(input)?.map(String) ?? strings(input));
  if (texts.length === 0) return missing('input');
  const dimensions = Math.min(Math.max(readNumber(body.dimensions) ?? defaultDimensions, 1), 4096);
  const spell = body.encoding_format === 'base64' ? base64Floats : (vector: Float32Array) => [...vector];
  const counted = tokensOf(input);
  return jsonAnswer(200, {
    object: 'list',
    data: texts.map((text, index) => ({
      object: 'embedding',
      index,
      embedding: spell(embed(text, dimensions)),
    })),
    model: modelOf(body),
    usage: { prompt_tokens: counted, total_tokens: counted },
  });
}

/** Words fall into buckets by their hash, so that texts that share words point the same way. Of length 1. */
function embed(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  for (const word of wordsOf(text)) {
    const hash = Bun.hash.xxHash32(word);
    vector[hash % dimensions]! += hash & 0x10000 ? 1 : -1;
  }
  const length = Math.hypot(...vector);
  if (length === 0) vector[0] = 1;
  return length === 0 ? vector : vector.map((value) => value / length);
}

const base64Floats = (vector: Float32Array): string => Buffer.from(vector.buffer).toString('base64');

// ---------------------------------------------------------------------------------------------------------------- images

/** One square of the colour that the prompt names, or that its words come to. */
function answerImages(body: Json): Response {
  const prompt = readString(body.prompt) ?? '';
  if (prompt === '') return missing('prompt');
  const count = Math.min(Math.max(Number(body.n ?? 1) || 1, 1), 10);
  const picture = Buffer.from(square(prompt)).toString('base64');
  const image =
    body.response_format === 'url' ? { url: `data:image/png;base64,${picture}` } : { b64_json: picture };
  const input = tokensOf(prompt);
  return jsonAnswer(200, {
    created: Math.floor(Date.now() / 1000),
    data: Array.from({ length: count }, () => image),
    usage: {
      input_tokens: input,
      output_tokens: count,
      total_tokens: input + count,
      input_tokens_details: { text_tokens: input, image_tokens: 0 },
    },
  });
}

// ----------------------------------------------------------------------------------------------------------------- sound

/** The demo knows no format but WAV, and says so by its content type. */
function answerSpeech(body: Json): Response {
  const input = readString(body.input) ?? '';
  if (input === '') return missing('input');
  return new Response(wav(wordsOf(input)), {
    headers: { 'content-type': 'audio/wav', 'x-request-id': newId('req_') },
  });
}

/** Says what it was given: the file's name and size. */
function answerTranscript(fields: Json): Response {
  const { file } = fields;
  if (!(file instanceof File)) return missing('file');
  const text = `${file.name}, ${file.size} bytes`;
  if (fields.response_format === 'text') return new Response(`${text}\n`);
  const verbose =
    fields.response_format === 'verbose_json'
      ? { task: 'transcribe', language: 'english', duration: 0, segments: [] }
      : {};
  const usage = { type: 'duration', seconds: 0 };
  return jsonAnswer(200, { ...verbose, text, usage });
}

// ------------------------------------------------------------------------------------------------------------- judgement

const harmfulWords: Readonly<Record<string, ReadonlySet<string>>> = {
  harassment: new Set(['idiot', 'stupid']),
  hate: new Set(['hate']),
  violence: new Set(['kill', 'murder', 'stab']),
};

function answerModerations(body: Json): Response {
  const items = readArray(body.input) ?? [body.input];
  const texts = items.map((item) => strings(item)[0] ?? JSON.stringify(item) ?? '');
  if (body.input === undefined) return missing('input');
  return jsonAnswer(200, { id: newId('modr-'), model: modelOf(body), results: texts.map(judge) });
}

function judge(text: string): Json {
  const words = wordsOf(text);
  const found = Object.entries(harmfulWords).map(
    ([name, harmful]) => [name, words.some((word) => harmful.has(word))] as const,
  );
  return {
    flagged: found.some(([, hit]) => hit),
    categories: Object.fromEntries(found),
    category_scores: Object.fromEntries(found.map(([name, hit]) => [name, hit ? 0.99 : 0.01])),
    category_applied_input_types: Object.fromEntries(found.map(([name]) => [name, ['text']])),
  };
}

/** Enough for unlike words to keep apart. */
const rerankDimensions = 1024;

/** A document is a text, or an object that holds one. */
const textIn = (document: unknown): string =>
  readString(document) ?? readString(readObject(document)?.text) ?? '';

function answerRerank(body: Json): Response {
  const query = readString(body.query) ?? '';
  const documents = readArray(body.documents) ?? [];
  if (query === '') return missing('query');
  if (documents.length === 0) return missing('documents');
  const wanted = embed(query, rerankDimensions);
  const results = documents.map((document, index) => {
    const vector = embed(textIn(document), rerankDimensions);
    const score = vector.reduce((sum, value, at) => sum + value * wanted[at]!, 0);
    return {
      index,
      relevance_score: Math.min(Math.max(score, 0), 1),
      ...(body.return_documents === true ? { document } : {}),
    };
  });
  results.sort((a, b) => b.relevance_score - a.relevance_score);
  const tokens = tokensOf(documents) + tokensOf(query);
  return jsonAnswer(200, {
    id: newId('rerank-'),
    model: modelOf(body),
    results: results.slice(0, readNumber(body.top_n) ?? results.length),
    usage: { total_tokens: tokens },
  });
}
