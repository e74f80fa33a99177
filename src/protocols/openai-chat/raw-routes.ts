import { type TSchema, Type } from '@sinclair/typebox';
import { GatewayError } from '../../core/error.ts';
import { readString } from '../../core/json.ts';
import type { Route, RouteDocs } from '../protocol.ts';

/**
 * OpenAI's endpoints that are no chat, and `/v1/rerank`, which Jina, Cohere, vLLM and others share. Their bodies pass
 * through as they are, so the schemas are documentation only.
 */

const open = { additionalProperties: true };
const object = (properties: Record<string, TSchema>, description?: string) =>
  Type.Object(properties, description === undefined ? open : { ...open, description });
const maybe = (schema: TSchema) => Type.Optional(schema);
const text = (description: string) => Type.String({ description });
const words = (...names: string[]) => Type.Union(names.map((name) => Type.Literal(name)));
const file = (description: string) => Type.String({ format: 'binary', description });

const model = text('A model of GET /v1/models whose provider has this endpoint.');
const streamed = maybe(Type.Boolean({ description: 'Answer in server-sent events, where the model can.' }));
const usage = maybe(
  object({ total_tokens: maybe(Type.Integer()) }, 'What it cost, in the words of the provider.'),
);

/** @param fallback the model that OpenAI takes where a request names none. */
const hint =
  (fallback?: string): Route['hint'] =>
  (_params, { model, stream, stream_format: format }) => {
    const named = readString(model)?.trim() || fallback;
    if (named) return { model: named, stream: stream === true || stream === 'true' || format === 'sse' };
    throw new GatewayError(
      { kind: 'invalid-request', field: 'model', code: 'missing_model' },
      'model is missing.',
      { remedy: 'Name one of the models that GET /v1/models lists.' },
    );
  };

const raw = (path: `/v1/${string}`, docs: RouteDocs, fallback?: string): Route => ({
  method: 'POST',
  path,
  kind: 'raw',
  hint: hint(fallback),
  docs,
});

const flows =
  'The form is sent on while it comes; send `model` before the file, or all of the file is held in memory first.';

// ---------------------------------------------------------------------------------------------------------- embeddings

const embeddings = raw('/v1/embeddings', {
  summary: 'Create embeddings (OpenAI)',
  request: object({
    model,
    input: Type.Union([Type.String(), Type.Array(Type.Unknown())], {
      description: 'A text, a list of texts, or token ids.',
    }),
    dimensions: maybe(Type.Integer({ minimum: 1 })),
    encoding_format: maybe(words('float', 'base64')),
    user: maybe(Type.String()),
  }),
  response: object({
    object: Type.Literal('list'),
    data: Type.Array(
      object({
        object: Type.Literal('embedding'),
        index: Type.Integer(),
        embedding: Type.Union([Type.Array(Type.Number()), Type.String()], {
          description: 'Numbers, or little-endian float32 as base64.',
        }),
      }),
    ),
    model: Type.String(),
    usage: object({ prompt_tokens: Type.Integer(), total_tokens: Type.Integer() }),
  }),
  example: { model: 'demo', input: ['The food was delicious.', 'The waiter was slow.'], dimensions: 8 },
});

// -------------------------------------------------------------------------------------------------------------- images

const imageOptions = {
  n: maybe(Type.Integer({ minimum: 1, maximum: 10 })),
  size: maybe(text('Such as 1024x1024, or auto.')),
  quality: maybe(Type.String()),
  background: maybe(words('transparent', 'opaque', 'auto')),
  output_format: maybe(words('png', 'jpeg', 'webp')),
  output_compression: maybe(Type.Integer({ minimum: 0, maximum: 100 })),
  response_format: maybe(words('url', 'b64_json')),
  stream: streamed,
  user: maybe(Type.String()),
};

const imagesResponse = object({
  created: Type.Integer({ description: 'Seconds since 1970.' }),
  data: Type.Array(
    object({
      b64_json: maybe(text('Base64.')),
      url: maybe(text('A link, or a data: URL.')),
      revised_prompt: maybe(Type.String()),
    }),
  ),
  usage,
});

const generations = raw('/v1/images/generations', {
  summary: 'Create images from a prompt (OpenAI)',
  description:
    "Also served by Gemini's image models and by Imagen: then `size` decides the shape only, `n` images are asked for, and what has no counterpart is named in `x-gateway-dropped`.",
  request: object({
    model,
    prompt: Type.String(),
    ...imageOptions,
    moderation: maybe(words('low', 'auto')),
    style: maybe(words('vivid', 'natural')),
  }),
  response: imagesResponse,
  example: { model: 'demo', prompt: 'A red square.', size: '1024x1024', response_format: 'b64_json' },
});

const edits = raw('/v1/images/edits', {
  summary: 'Change images by a prompt (OpenAI)',
  description: flows,
  form: true,
  request: object({
    model,
    image: file('A picture; `image[]` for several.'),
    mask: maybe(file('A PNG whose transparent parts may change.')),
    prompt: Type.String(),
    input_fidelity: maybe(words('high', 'low')),
    ...imageOptions,
  }),
  response: imagesResponse,
  example: { model: 'demo', prompt: 'Make it blue.', image: '@picture.png' },
});

// --------------------------------------------------------------------------------------------------------------- sound

const speech = raw('/v1/audio/speech', {
  summary: 'Speak a text (OpenAI)',
  answers: 'audio/mpeg',
  request: object({
    model,
    input: Type.String(),
    voice: Type.Union([Type.String(), object({})], { description: 'Such as alloy.' }),
    instructions: maybe(Type.String()),
    response_format: maybe(words('mp3', 'opus', 'aac', 'flac', 'wav', 'pcm')),
    speed: maybe(Type.Number()),
    stream_format: maybe(words('sse', 'audio')),
  }),
  response: file('The sound, in the format that was asked for.'),
  example: { model: 'demo', input: 'Hello.', voice: 'alloy', response_format: 'wav' },
});

const transcript = object({
  text: Type.String(),
  language: maybe(Type.String()),
  duration: maybe(Type.Number({ description: 'Seconds.' })),
  segments: maybe(Type.Array(object({}))),
  words: maybe(Type.Array(object({}))),
  usage,
});

const soundForm = {
  model,
  file: file('A sound file.'),
  prompt: maybe(Type.String()),
  response_format: maybe(words('json', 'text', 'srt', 'verbose_json', 'vtt', 'diarized_json')),
  temperature: maybe(Type.Number()),
};

const transcriptions = raw('/v1/audio/transcriptions', {
  summary: 'Write down what is spoken (OpenAI)',
  description: flows,
  form: true,
  request: object({
    ...soundForm,
    language: maybe(text('ISO 639-1, such as en.')),
    'timestamp_granularities[]': maybe(Type.Array(words('word', 'segment'))),
    stream: streamed,
  }),
  response: transcript,
  example: { model: 'demo', file: '@speech.wav' },
});

const translations = raw('/v1/audio/translations', {
  summary: 'Write down in English what is spoken (OpenAI)',
  description: flows,
  form: true,
  request: object(soundForm),
  response: transcript,
  example: { model: 'demo', file: '@speech.wav' },
});

// ------------------------------------------------------------------------------------------------------------ judgement

const moderations = raw(
  '/v1/moderations',
  {
    summary: 'Judge whether a text or a picture is harmful (OpenAI)',
    request: object({
      model: maybe(text('`omni-moderation-latest` when absent.')),
      input: Type.Union([Type.String(), Type.Array(Type.Unknown())], {
        description: 'A text, a list of texts, or parts of the types text and image_url.',
      }),
    }),
    response: object({
      id: Type.String(),
      model: Type.String(),
      results: Type.Array(
        object({
          flagged: Type.Boolean(),
          categories: Type.Record(Type.String(), Type.Union([Type.Boolean(), Type.Null()])),
          category_scores: Type.Record(Type.String(), Type.Number()),
        }),
      ),
    }),
    example: { model: 'demo', input: 'I like you.' },
  },
  'omni-moderation-latest',
);

const rerank = raw('/v1/rerank', {
  summary: 'Sort documents by how well they answer a query (Jina, Cohere, vLLM)',
  request: object({
    model,
    query: Type.String(),
    documents: Type.Array(Type.Union([Type.String(), object({})])),
    top_n: maybe(Type.Integer({ minimum: 1 })),
    return_documents: maybe(Type.Boolean()),
  }),
  response: object({
    results: Type.Array(
      object({
        index: Type.Integer({ description: 'Of the document in the request.' }),
        relevance_score: Type.Number(),
        document: maybe(Type.Union([Type.String(), object({})])),
      }),
    ),
    usage,
  }),
  example: {
    model: 'demo',
    query: 'What do cats eat?',
    documents: ['Dogs bark.', 'Cats eat mice and fish.'],
    top_n: 1,
  },
});

/** The raw rows of this protocol's route table. */
export const rawRoutes: readonly Route[] = [
  embeddings,
  generations,
  edits,
  speech,
  transcriptions,
  translations,
  moderations,
  rerank,
];
