import { newId } from '../../core/id.ts';
import { compact, type Json, readString } from '../../core/json.ts';
import type {
  HostedCallPart,
  HostedResultPart,
  MediaPart,
  ReasoningPart,
  ToolCallPart,
} from '../../core/request.ts';
import { encodeSeal } from '../seals.ts';
import { unsealedMark, writtenItem } from './wire.ts';

/** A fresh id with the prefix that items of this type must have. */
export const freshId = {
  message: () => newId('msg_'),
  reasoning: () => newId('rs_'),
  call: (custom: boolean | undefined) => newId(custom ? 'ctc_' : 'fc_'),
  search: () => newId('ws_'),
  image: () => newId('ig_'),
  other: () => newId('item_'),
};

/**
 * A thought as an answer tells it. Its seal is marked even where OpenAI itself made it: OpenAI binds its token to the
 * item's id, and this id is ours, so the two must not come back to it together. One without a seal is marked too, since
 * OpenAI would look it up among the responses that it stores.
 */
export function reasoningItem({ text, seal }: Pick<ReasoningPart, 'text' | 'seal'>, itemId: string): Json {
  const token = encodeSeal(seal ?? { issuer: unsealedMark, value: '' }, 'nobody');
  return { id: itemId, type: 'reasoning', summary: summaryOf(text), encrypted_content: token };
}

export const summaryOf = (text: string): readonly Json[] =>
  text === '' ? [] : [{ type: 'summary_text', text }];

type Call = Pick<ToolCallPart, 'callId' | 'name' | 'args' | 'custom' | 'namespace'>;

/** A call to a tool that the client runs: a function with JSON arguments, or a free-form tool with text. */
export function callItem({ callId, name, args, custom, namespace }: Call, more: Json): Json {
  const common = { ...more, call_id: callId, name, namespace };
  if (custom) return compact({ type: 'custom_tool_call', ...common, input: args });
  return compact({ type: 'function_call', ...common, arguments: args });
}

/** A web search that another vendor ran, with the pages it found where they are known. */
export function searchItem(
  { input }: HostedCallPart,
  result: HostedResultPart | undefined,
  itemId: string,
): Json {
  const sources = (result?.sources ?? []).flatMap(({ url }) =>
    url === undefined ? [] : [{ type: 'url', url }],
  );
  const url = readString(input.url);
  const action =
    url === undefined
      ? { type: 'search', query: readString(input.query) ?? '', ...(sources.length > 0 ? { sources } : {}) }
      : { type: 'open_page', url };
  return { id: itemId, type: 'web_search_call', status: result?.failed ? 'failed' : 'completed', action };
}

/** A picture that the model made, told as the vendor's own tool would tell it. */
export function imageItem(part: MediaPart, itemId: string): Json {
  return {
    id: itemId,
    type: 'image_generation_call',
    status: 'completed',
    result: part.source.kind === 'data' ? part.source.data : '',
    output_format: part.mime.split('/')[1] ?? 'png',
    ...writtenItem(part),
  };
}
