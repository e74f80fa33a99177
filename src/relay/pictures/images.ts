import type { Operation } from '../../channels/channel.ts';
import { asGatewayError, GatewayError } from '../../core/error.ts';
import { noUsage, type Reply, type Usage } from '../../core/event.ts';
import { compact, type Json, readObjects, readString, tryParseObject } from '../../core/json.ts';
import type { ChatRequest, MediaPart } from '../../core/request.ts';
import type { Drop } from '../../protocols/protocol.ts';
import { render } from '../../wire/sse.ts';
import { dispatch } from '../attempt.ts';
import { drawWithTool, hasDrawingTool } from './draw-with-tool.ts';
import type { Drawing, Image, Picture, Wish } from './drawing.ts';
import { askedOf } from './edit.ts';
import type { Errand } from '../errand.ts';
import type { Attempt } from '../routing/plan.ts';
import type { RawAnswer } from '../raw.ts';
import { accepts, refusal } from '../refusal.ts';

/**
 * OpenAI's image generation and its edits over upstreams without those endpoints: Gemini's image models draw inside a chat, Imagen has
 * a method of its own, `:predict`, and ChatGPT's backend has a tool.
 */

const generations: Operation = '/v1/images/generations';
const edits: Operation = '/v1/images/edits';
const predict: Operation = '/v1beta/models:predict';

/** Whether an upstream without the endpoint can still make the images. */
export function canDraw(
  { protocol, connection, model }: Pick<Attempt, 'connection' | 'model' | 'protocol'>,
  operation: Operation,
): boolean {
  if (operation !== generations && operation !== edits) return false;
  if (hasDrawingTool({ protocol, connection, model })) return true;
  if (protocol.id !== 'gemini') return false;
  if (!isImagen(model)) return drawing.test(model);
  // By its public method Imagen draws anew only.
  return operation === generations && (connection.can?.(predict, model) ?? false);
}

/** Gemini's image models by their own names; Nano Banana is one more. */
const drawing = /\bimage\b|\bnano-banana\b/;
const isImagen = (model: string): boolean => /\bimagen\b/.test(model);

/** Makes the images with one upstream. What was made is given, even when some of it failed. */
export async function drawImages(errand: Errand, attempt: Attempt): Promise<RawAnswer> {
  const { tools, hint, drop } = errand;
  const { fields: body, pictures } = await askedOf(errand);
  const wish = { ...decodeWish(body), pictures };
  const tooled = hasDrawingTool(attempt);
  if (!tooled) reportLosses(wish, body, drop);
  const createdAt = Math.floor(tools.now() / 1000);
  const draw = tooled ? drawWithTool : isImagen(attempt.model) ? drawWithImagen : drawInChat;
  const batch = isImagen(attempt.model) ? imagenBatch : 1;
  const calls = Array.from({ length: Math.ceil(wish.count / batch) }, (_, index) =>
    draw(errand, attempt, wish, Math.min(batch, wish.count - index * batch)),
  );
  const settled = await Promise.allSettled(calls);
  const drawings = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const images = drawings.flatMap((drawing) => drawing.images);
  const failure = settled.find((one) => one.status === 'rejected');
  if (images.length === 0) throw failure ? asGatewayError(failure.reason) : undrawn(drawings);
  if (images.length < wish.count) drop(`n: ${wish.count} asked, ${images.length} made`);
  const usage = drawings.map((drawing) => drawing.usage).reduce(sum, noUsage);
  const headers = drawings[0]!.headers;
  if (hint.stream) {
    const text = drawings.map((drawing) => completedEvents(drawing, createdAt)).join('');
    return { status: 200, contentType: 'text/event-stream; charset=utf-8', body: text, usage, headers };
  }
  const told = encodeImages(images, wish, usage, createdAt);
  return { status: 200, contentType: 'application/json', body: JSON.stringify(told), usage, headers };
}

// ------------------------------------------------------------------------------------------------------------- the wish

/** @throws GatewayError for what no upstream could understand. */
function decodeWish(body: Json): Omit<Wish, 'pictures'> {
  const prompt = readString(body.prompt) ?? '';
  if (prompt === '') throw invalid('prompt', 'prompt is missing.', 'missing_prompt');
  const count = body.n ?? 1;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > mostImages)
    throw invalid('n', `n must be a whole number from 1 to ${mostImages}.`);
  const size = readString(body.size) ?? 'auto';
  const [, width, height] = /^(\d{1,5})x(\d{1,5})$/.exec(size) ?? [];
  if (size !== 'auto' && !(Number(width) > 0 && Number(height) > 0))
    throw invalid('size', 'size must be auto, or a width and a height such as 1024x1024.');
  return {
    prompt,
    count,
    size: width === undefined ? undefined : { width: Number(width), height: Number(height) },
    linked: body.response_format === 'url',
  };
}

/** OpenAI's own limit. */
const mostImages = 10;

const invalid = (field: string, message: string, code?: string) =>
  new GatewayError({ kind: 'invalid-request', field, ...(code === undefined ? {} : { code }) }, message, {
    remedy: `Correct ${field} and send the request again.`,
  });

/** What neither Gemini nor Imagen can be told, but for values that ask for nothing special. */
function reportLosses({ size }: Wish, body: Json, drop: Drop): void {
  for (const name of untold) {
    const value = body[name];
    if (value !== undefined && value !== null && value !== 'auto') drop(name);
  }
  if (size && (size.width !== 1024 || size.height !== 1024)) drop('size: only its shape is kept');
}

const untold = [
  'background',
  'input_fidelity',
  'mask',
  'moderation',
  'output_compression',
  'output_format',
  'partial_images',
  'quality',
  'style',
  'user',
] as const;

/** The shapes that Google documents: those of its image models, and the fewer ones of Imagen. */
const shapes = ['1:1', '2:3', '3:2', '3:4', '4:3', '4:5', '5:4', '9:16', '16:9', '21:9'];
const imagenShapes = ['1:1', '3:4', '4:3', '9:16', '16:9'];

/** The shape nearest to a size. */
function shapeOf(size: Wish['size'], shapes: readonly string[]): string | undefined {
  if (!size) return undefined;
  const wanted = Math.log(size.width / size.height);
  const distance = (shape: string) => {
    const [width, height] = shape.split(':').map(Number);
    return Math.abs(Math.log(width! / height!) - wanted);
  };
  return shapes.reduce((best, shape) => (distance(shape) < distance(best) ? shape : best));
}

// ---------------------------------------------------------------------------------------------------------- the drawing

/** One picture, as an answer of a chat. */
async function drawInChat(errand: Errand, attempt: Attempt, wish: Wish): Promise<Drawing> {
  const { prompt, size, pictures } = wish;
  const { upstream } = attempt.protocol;
  if (!upstream)
    throw new GatewayError({ kind: 'internal' }, `${attempt.protocol.id} cannot be sent upstream.`);
  const aspectRatio = shapeOf(size, shapes);
  const generationConfig = {
    responseModalities: ['TEXT', 'IMAGE'],
    ...(aspectRatio === undefined ? {} : { imageConfig: { aspectRatio } }),
  };
  const request: ChatRequest = {
    model: errand.plan.name,
    system: [],
    messages: [{ role: 'user', parts: [...pictures.map(mediaOf), { kind: 'text', text: prompt }] }],
    tools: [],
    sampling: {},
    stream: false,
    extra: { [attempt.protocol.id]: { generationConfig } },
  };
  const { dialect } = attempt.connection;
  const target = compact({ model: attempt.model, card: attempt.card, dialect, drop: errand.drop });
  const { body, headers } = await ask(errand, attempt, 'chat', upstream.encodeRequest(request, target));
  return drawingOf(upstream.decodeReply(body), headers);
}

const mediaOf = ({ mime, data }: Picture): MediaPart => ({
  kind: 'media',
  media: 'image',
  mime,
  source: { kind: 'data', data },
});

function drawingOf({ parts, usage, reason }: Reply, headers: Headers): Drawing {
  const images = parts.flatMap((part) =>
    part.kind === 'media' && part.media === 'image' && part.source.kind === 'data'
      ? [{ data: part.source.data, mime: part.mime }]
      : [],
  );
  const said = parts.flatMap((part) => (part.kind === 'text' || part.kind === 'refusal' ? [part.text] : []));
  return { images, usage, said: said.join(' ').trim(), refused: reason === 'filter', headers };
}

/** Imagen 4 makes up to four pictures a call, and four when it is not told. */
const imagenBatch = 4;

async function drawWithImagen(
  errand: Errand,
  attempt: Attempt,
  { prompt, size }: Wish,
  sampleCount: number,
): Promise<Drawing> {
  const parameters = compact({
    sampleCount,
    aspectRatio: shapeOf(size, imagenShapes),
    includeRaiReason: true,
  });
  const { body, headers } = await ask(errand, attempt, predict, { instances: [{ prompt }], parameters });
  const predictions = readObjects(body.predictions);
  const images = predictions.flatMap((prediction) => {
    const data = readString(prediction.bytesBase64Encoded);
    const mime = readString(prediction.mimeType) ?? 'image/png';
    return data === undefined ? [] : [compact({ data, mime, revised: readString(prediction.prompt) })];
  });
  const reasons = predictions.flatMap((prediction) => readString(prediction.raiFilteredReason) ?? []);
  // Imagen leaves out what its filter caught, and says nothing else about it.
  return { images, usage: noUsage, said: [...new Set(reasons)].join(' '), refused: true, headers };
}

/** One exchange of JSON with the upstream. */
async function ask(
  errand: Errand,
  attempt: Attempt,
  operation: Operation,
  body: Json,
): Promise<{ readonly body: Json; readonly headers: Headers }> {
  const call = {
    operation,
    stream: false,
    body: JSON.stringify(body),
    headers: new Headers(),
    query: '',
  };
  const response = await dispatch(errand, attempt, call);
  if (!accepts(errand, attempt, response)) throw await refusal(errand, attempt, response);
  const answer = tryParseObject(await response.text());
  if (answer) return { body: answer, headers: response.headers };
  throw new GatewayError({ kind: 'bad-upstream-data' }, 'The upstream answered something that is not JSON.', {
    remedy: 'Check the base-url of this provider in config.yaml; a login page or a proxy may be answering.',
  });
}

function undrawn(drawings: readonly Drawing[]): GatewayError {
  const said = drawings.map((drawing) => drawing.said).find((text) => text !== '');
  const words = said === undefined ? '' : ` It says: ${said.slice(0, 300)}`;
  if (drawings.some((drawing) => drawing.refused))
    return new GatewayError(
      { kind: 'content-filtered' },
      `The provider refused to make this image.${words}`,
      {
        remedy: 'Rephrase the prompt, or use another model.',
      },
    );
  return new GatewayError(
    { kind: 'invalid-request', field: 'prompt', code: 'no_image' },
    `The model answered without an image.${words}`,
    { remedy: 'Ask for a picture in plain words, or use another model.' },
  );
}

// ----------------------------------------------------------------------------------------------------------- the answer

const sum = (a: Usage, b: Usage): Usage => ({
  input: a.input + b.input,
  output: a.output + b.output,
  cacheRead: a.cacheRead + b.cacheRead,
  cacheWrite: a.cacheWrite + b.cacheWrite,
  reasoning: a.reasoning + b.reasoning,
});

const formatOf = ({ mime }: Image): string => mime.replace(/^image\//, '');

function encodeImages(images: readonly Image[], { linked }: Wish, usage: Usage, created: number): Json {
  const data = images.map(({ data, mime, revised }) =>
    compact({
      ...(linked ? { url: `data:${mime};base64,${data}` } : { b64_json: data }),
      revised_prompt: revised,
    }),
  );
  // Imagen counts nothing.
  const counted = usage.input + usage.output > 0 ? { usage: encodeUsage(usage) } : {};
  return { created, data, output_format: formatOf(images[0]!), ...counted };
}

const encodeUsage = ({ input, output }: Usage): Json => ({
  input_tokens: input,
  output_tokens: output,
  total_tokens: input + output,
  input_tokens_details: { text_tokens: input, image_tokens: 0 },
});

/** Nothing comes bit by bit from here, so a stream is told the whole picture at once. */
function completedEvents({ images, usage }: Drawing, created: number): string {
  const event = 'image_generation.completed';
  const frames = images.map((image) => ({
    type: event,
    b64_json: image.data,
    created_at: created,
    output_format: formatOf(image),
    size: 'auto',
    quality: 'auto',
    background: 'auto',
    usage: encodeUsage(usage),
  }));
  return frames.map((frame) => render({ event, data: JSON.stringify(frame) })).join('');
}
