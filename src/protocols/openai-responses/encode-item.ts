import { newId } from '../../core/id.ts';
import { compact, type Json, readObject, readString } from '../../core/json.ts';
import type { Citation, MediaPart, Part, ReasoningPart, ToolCallPart } from '../../core/request.ts';
import type { Drop } from '../protocol.ts';
import { encodeSeal } from '../seals.ts';
import { id, issuer } from './wire.ts';

/** An item or a content part as this protocol wrote it, when it was this protocol that did. */
export const ownForeign = (part: Part): Json | undefined =>
  'foreign' in part && part.foreign?.protocol === id ? readObject(part.foreign.value) : undefined;

export const ownExtra = (part: { readonly extra?: Part['extra'] }): Json =>
  readObject(part.extra?.[id]) ?? {};

/** Text of the model, as a content part of its message. */
export function outputText(
  text: string,
  citations: readonly Citation[] = [],
  logprobs: readonly Json[] = [],
): Json {
  return { type: 'output_text', text, annotations: citations.map(encodeAnnotation), logprobs };
}

/** A citation as an annotation; one without an address cannot be pointed to, and is left as its own wire wrote it. */
export function encodeAnnotation(citation: Citation): Json {
  if (citation.foreign?.protocol === id) return readObject(citation.foreign.value) ?? {};
  return {
    type: 'url_citation',
    url: citation.url ?? '',
    title: citation.title ?? '',
    start_index: citation.start ?? 0,
    end_index: citation.end ?? 0,
  };
}

export function reasoningItem(part: ReasoningPart, itemId: string): Json {
  return compact({
    id: itemId,
    type: 'reasoning',
    summary: part.text === '' ? [] : [{ type: 'summary_text', text: part.text }],
    encrypted_content: part.seal ? encodeSeal(part.seal, issuer) : undefined,
  });
}

/** A call to a tool that the client runs: a function with JSON arguments, or a free-form tool with text. */
export function callItem(part: ToolCallPart, itemId: string, status?: string): Json {
  const common = { id: itemId, call_id: part.callId, name: part.name, namespace: part.namespace, status };
  if (part.custom) return compact({ type: 'custom_tool_call', ...common, input: part.args });
  return compact({ type: 'function_call', ...common, arguments: part.args });
}

/** A fresh id with the prefix that this item type must have. */
export const freshId = {
  message: () => newId('msg_'),
  reasoning: () => newId('rs_'),
  call: (custom: boolean) => newId(custom ? 'ctc_' : 'fc_'),
  search: () => newId('ws_'),
  image: () => newId('ig_'),
};

/** A web search that another vendor ran. */
export function searchItem(query: string, itemId: string): Json {
  return { id: itemId, type: 'web_search_call', status: 'completed', action: { type: 'search', query } };
}

export function imageItem(part: MediaPart, itemId: string): Json {
  const result = part.source.kind === 'data' ? part.source.data : '';
  return {
    id: itemId,
    type: 'image_generation_call',
    status: 'completed',
    result,
    output_format: part.mime.split('/')[1] ?? 'png',
  };
}

/** A part that comes whole, as an output item; undefined, and reported, when this wire has no item for it. */
export function wholeItem(part: Part, drop: Drop): Json | undefined {
  const own = ownForeign(part);
  if (own) return own;
  if (part.kind === 'hosted-call' && part.tool === 'web-search')
    return searchItem(readString(part.input.query) ?? '', freshId.search());
  if (part.kind === 'media' && part.media === 'image' && part.source.kind === 'data')
    return imageItem(part, freshId.image());
  // A search's sources stand in the citations of the text; the search itself is an item of its own.
  if (part.kind === 'hosted-result' && part.tool === 'web-search') return undefined;
  drop(
    part.kind === 'hosted-call' || part.kind === 'hosted-result' ? `${part.kind} ${part.tool}` : part.kind,
  );
  return undefined;
}

/** What a user shows or says, as an input content part. */
export function inputContent(part: Part, drop: Drop): readonly Json[] {
  const own = ownForeign(part);
  if (own) return [own];
  if (part.kind === 'text')
    return part.text === '' ? [] : [{ type: 'input_text', text: part.text, ...spoken(part) }];
  if (part.kind === 'refusal') return [{ type: 'input_text', text: part.text }];
  if (part.kind === 'media') return [inputMedia(part, drop)];
  drop(part.kind);
  return [];
}

/** `role` marks which word for instructions was used, and belongs to the message. */
function spoken(part: Part): Json {
  const { role: _, ...rest } = ownExtra(part);
  return rest;
}

function inputMedia(part: MediaPart, drop: Drop): Json {
  const { source, mime, media, name } = part;
  const dataUrl = source.kind === 'data' ? `data:${mime};base64,${source.data}` : undefined;
  const own = ownExtra(part);
  if (source.kind === 'text') return { type: 'input_text', text: source.text };
  if (media === 'image') {
    const where =
      source.kind === 'file'
        ? { file_id: source.id }
        : { image_url: dataUrl ?? (source.kind === 'url' ? source.url : '') };
    return compact({ type: 'input_image', ...where, detail: part.detail, ...own });
  }
  if (media === 'audio' && source.kind === 'data')
    return {
      type: 'input_audio',
      input_audio: {
        data: source.data,
        format: mime === 'audio/mpeg' ? 'mp3' : (mime.split('/')[1] ?? 'wav'),
      },
      ...own,
    };
  if (media === 'video' || media === 'audio') {
    drop(media);
    return { type: 'input_text', text: `[${media} omitted: this model's API does not take it]` };
  }
  if (source.kind === 'file') return compact({ type: 'input_file', file_id: source.id, ...own });
  if (source.kind === 'url') return compact({ type: 'input_file', file_url: source.url, ...own });
  return compact({ type: 'input_file', filename: name ?? 'document.pdf', file_data: dataUrl, ...own });
}
