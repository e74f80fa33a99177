import { compact, type Json, omit, readArray, readObject, readObjects, readString } from '../../core/json.ts';
import type {
  Citation,
  HostedCallPart,
  HostedTool,
  Part,
  ReasoningPart,
  Seal,
  ToolCallPart,
} from '../../core/request.ts';
import { decodeSeal } from '../seals.ts';
import { asWritten, id, issuer, unsealedMark, xaiIssuer } from './wire.ts';

// ------------------------------------------------------------------------------------------------- reasoning

/** OpenAI's encrypted reasoning is a Fernet token (all recorded ones of OpenAI and Azure); xAI's never is. */
const fernet = /^gAAAA[\w-]+=*$/;

/** The seal of a reasoning item. The wire says not whose it is, but OpenAI's tokens can be told by their form. */
export function sealOf(item: Json): Seal | undefined {
  const token = tokenOf(item);
  const seal = decodeSeal(token, issuer);
  if (seal?.issuer === unsealedMark) return undefined;
  if (!seal || token === undefined || isOurs(item) || fernet.test(token)) return seal;
  return { ...seal, issuer: xaiIssuer };
}

const tokenOf = (item: Json): string | undefined => readString(item.encrypted_content)?.trim();

/** Whether an item is one of our own making: its token bears our mark (see `seals.ts`), and its id means nothing to anybody. */
export const isOurs = (item: Json): boolean => /^gw1r?\./.test(tokenOf(item) ?? '');

const reasoningNamed = new Set(['type', 'encrypted_content']);
const oursNamed = new Set([...reasoningNamed, 'id']);

/** A reasoning item: its summary, or its raw text where the server shows it, and its encrypted whole. */
export function decodeReasoning(item: Json): ReasoningPart {
  const summary = textsOf(item.summary);
  const seal = sealOf(item);
  const part: ReasoningPart = {
    kind: 'reasoning',
    text: (summary.length > 0 ? summary : textsOf(item.content)).join('\n\n'),
    ...(seal ? { seal } : {}),
  };
  return asWritten(part, omit(item, isOurs(item) ? oursNamed : reasoningNamed));
}

const textsOf = (list: unknown): readonly string[] =>
  readObjects(list).flatMap((part) => readString(part.text) ?? []);

// ----------------------------------------------------------------------------------------------------- calls

const callNamed = new Set(['type', 'call_id', 'name', 'arguments', 'input', 'namespace']);

/** A call to a tool that the client runs: a function with JSON arguments, or a free-form tool with text. */
export function decodeCall(item: Json): ToolCallPart {
  const custom = item.type === 'custom_tool_call';
  const part: ToolCallPart = compact({
    kind: 'tool-call',
    callId: readString(item.call_id) || (readString(item.id) ?? ''),
    name: readString(item.name) ?? '',
    args: argsOf(item),
    namespace: readString(item.namespace),
    ...(custom ? { custom } : {}),
  });
  return asWritten(part, omit(item, callNamed));
}

/** What a call was told. A function without parameters may say nothing at all, which is the empty object. */
export const argsOf = (item: Json): string =>
  item.type === 'custom_tool_call' ? (readString(item.input) ?? '') : readString(item.arguments) || '{}';

// --------------------------------------------------------------------------------- what the vendor did by itself

const hostedTools: Readonly<Record<string, HostedTool>> = {
  web_search_call: 'web-search',
  code_interpreter_call: 'code-execution',
  file_search_call: 'file-search',
  mcp_call: 'mcp',
};

const imageNamed = new Set(['type', 'result']);

/** An item that stands for what the vendor did itself, or that only this wire knows. */
export function decodeOther(item: Json): readonly Part[] {
  const foreign = { protocol: id, value: item };
  const type = readString(item.type) ?? '';
  const image = type === 'image_generation_call' ? readString(item.result) : undefined;
  if (image !== undefined) return [decodeImageCall(item, image)];
  const tool = hostedTools[type];
  if (!tool) return [{ kind: 'foreign', foreign }];
  const callId = readString(item.id) ?? '';
  const call: HostedCallPart = { kind: 'hosted-call', tool, callId, input: inputOf(item), foreign };
  if (tool !== 'web-search') return [call];
  const failed = item.status === 'failed';
  return [call, { kind: 'hosted-result', tool, callId, sources: sourcesOf(item), failed }];
}

function decodeImageCall(item: Json, data: string): Part {
  const mime = `image/${readString(item.output_format) ?? 'png'}`;
  return asWritten(
    { kind: 'media', media: 'image', mime, source: { kind: 'data', data } },
    omit(item, imageNamed),
  );
}

function inputOf(item: Json): Json {
  const action = readObject(item.action) ?? item;
  const queries = (readArray(action.queries) ?? []).filter((query) => typeof query === 'string');
  return compact({
    query: readString(action.query) || queries.join('; ') || undefined,
    url: readString(action.url),
    code: readString(item.code),
  });
}

/** The pages a search read; told when the request asks for `web_search_call.action.sources`. */
function sourcesOf(item: Json): readonly Citation[] {
  return readObjects(readObject(item.action)?.sources).flatMap(({ url, title }) =>
    typeof url === 'string' ? [compact({ url, title: readString(title) })] : [],
  );
}
