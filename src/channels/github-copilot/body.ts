import type { Call } from '../channel.ts';
import { type Json, readArray, readObject, readObjects, readString } from '../../core/json.ts';

/** What the service wants of a body besides what the protocol asks, whichever of its three protocols it is in. */

/** The conversation of a body: `messages`, or the `input` of Responses. */
const turnsOf = (body: Json): readonly Json[] => readObjects(body.messages ?? body.input);

/**
 * Whether a program goes on by itself, after its own words or a tool's, rather than a person asking. The service bills by
 * the requests of persons.
 */
export function isAgents(body: Json): boolean {
  const last = turnsOf(body).at(-1);
  if (!last) return false;
  if (last.role === 'assistant' || last.role === 'tool') return true;
  // Responses has items without a role: calls, their outputs, thoughts.
  if (last.role === undefined && last.type !== undefined && last.type !== 'message') return true;
  return readObjects(last.content).some(({ type }) => type === 'tool_result');
}

const pictures: ReadonlySet<unknown> = new Set(['image', 'image_url', 'input_image']);

/** Whether a body holds a picture, in a tool's result as well. */
export function hasPicture(body: Json): boolean {
  const holds = (value: unknown): boolean =>
    readObjects(value).some((part) => pictures.has(part.type) || holds(part.content) || holds(part.output));
  return holds(turnsOf(body));
}

/** Whom to tell of what is left out. */
type Teller = Pick<Call, 'drop'>;

/** A chat body as the service takes it; the very same when it is one already. */
export function fitChat(body: Json, teller: Teller = {}): Json {
  const messages = readArray(body.messages) ?? [];
  const fitted = messages.map(plainAssistant);
  const choice = fitChoice(body, teller);
  if (!choice && fitted.every((message, index) => message === messages[index])) return body;
  return { ...body, messages: fitted, ...choice };
}

/** What an assistant said must be a string; a list of texts is refused. */
function plainAssistant(message: unknown): unknown {
  const read = readObject(message);
  const parts = readArray(read?.content);
  if (read?.role !== 'assistant' || !parts) return message;
  const texts = readObjects(parts).map(({ type, text }) => (type === 'text' ? readString(text) : undefined));
  if (texts.length < parts.length || texts.some((text) => text === undefined)) return message;
  return { ...read, content: texts.join('') };
}

/** A tool choice is one of three words here. One tool that must be called is said by offering no other. */
function fitChoice({ tool_choice: choice, tools }: Json, { drop }: Teller): Json | undefined {
  const object = readObject(choice);
  if (!object) return undefined;
  const name = readString(readObject(object.function)?.name);
  const chosen = readObjects(tools).filter((tool) => readObject(tool.function)?.name === name);
  if (object.type !== 'function' || chosen.length === 0) {
    drop?.('tool_choice: Copilot knows auto, none and required only');
    return { tool_choice: 'auto' };
  }
  return { tool_choice: 'required', tools: chosen };
}

/** A Responses body as the service takes it: it sells no tiers. */
export function fitResponses(body: Json, { drop }: Teller = {}): Json {
  if (body.service_tier === undefined) return body;
  drop?.('service_tier: Copilot sells none');
  const { service_tier: _, ...rest } = body;
  return rest;
}
