import { noUsage } from '../../core/event.ts';
import { compact, type Json, readObject, readString, tryParseObject } from '../../core/json.ts';
import { run } from '../../core/machine.ts';
import { frames } from '../../wire/sse.ts';
import { dispatch } from '../attempt.ts';
import { variantOf } from '../direct.ts';
import type { Drawing, Image, Picture, Wish } from './drawing.ts';
import { askedOf } from './edit.ts';
import type { Errand } from '../errand.ts';
import type { Attempt } from '../routing/plan.ts';
import { accepts, judged, refusal } from '../refusal.ts';

/** Pictures by OpenAI's image models where only ChatGPT's backend can be asked: a model that chats draws with a tool. */

/** Who is asked to draw unless the config names somebody (spec: codex, images endpoint). */
const painter = 'gpt-5.4-mini';

/** Whether an upstream has OpenAI's image models behind that tool. */
export const hasDrawingTool = ({ connection, protocol, model }: Place): boolean =>
  protocol.id === 'openai-responses' && connection.dialect === 'codex' && model.startsWith('gpt-image-');

type Place = Pick<Attempt, 'connection' | 'model' | 'protocol'>;

/** What the tool takes in the words of the endpoint. */
const shared = ['background', 'moderation', 'output_compression', 'output_format', 'quality'];

/** One picture. */
export async function drawWithTool(
  errand: Errand,
  attempt: Attempt,
  { prompt, size, pictures }: Wish,
): Promise<Drawing> {
  const { card, protocol } = attempt;
  const { fields } = await askedOf(errand);
  const tool = compact({
    type: 'image_generation',
    model: attempt.model,
    size: size && `${size.width}x${size.height}`,
    ...Object.fromEntries(shared.map((name) => [name, fields[name] ?? undefined])),
  });
  const input = pictures.length === 0 ? prompt : [{ role: 'user', content: contentOf(prompt, pictures) }];
  const model = errand.config['gpt-image-2-base-model'] || painter;
  const asked = { model, input, tools: [tool], tool_choice: { type: 'image_generation' } };
  const body = variantOf(attempt)?.adapt(asked, { card, drop: errand.drop }) ?? asked;
  const said = { body: JSON.stringify(body), headers: new Headers(), query: '' };
  const response = await dispatch(errand, attempt, { operation: 'chat', stream: true, ...said });
  if (!accepts(errand, attempt, response)) throw await refusal(errand, attempt, response);
  const decode = protocol.upstream!.decodeStream();
  const drawing = { images: [] as Image[], usage: noUsage, said: '', refused: false };
  const read = run(frames(), [await response.bytes()]);
  for (const frame of read) {
    const image = imageIn(tryParseObject(frame.data));
    if (image) drawing.images.push(image);
  }
  for (const event of run(decode, read)) {
    if (event.type === 'error') throw judged(event.error, attempt, response.headers);
    if (event.type === 'block-delta') drawing.said += event.text;
    if (event.type !== 'finish') continue;
    drawing.usage = event.usage;
    drawing.refused = event.reason === 'filter';
  }
  return { ...drawing, headers: response.headers };
}

const contentOf = (prompt: string, pictures: readonly Picture[]): readonly Json[] => [
  ...pictures.map(({ mime, data }) => ({
    type: 'input_image',
    image_url: `data:${mime};base64,${data}`,
    detail: 'auto',
  })),
  { type: 'input_text', text: prompt },
];

/** The picture of an item that is done. */
function imageIn(event: Json | undefined): Image | undefined {
  const item = readObject(event?.item);
  const data = readString(item?.result);
  if (event?.type !== 'response.output_item.done' || item?.type !== 'image_generation_call' || !data)
    return undefined;
  const mime = `image/${readString(item.output_format) ?? 'png'}`;
  return compact({ data, mime, revised: readString(item.revised_prompt) });
}
