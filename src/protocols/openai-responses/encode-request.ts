import { effortOf } from '../../core/effort.ts';
import { compact, type Json, omit, readObject, readString } from '../../core/json.ts';
import type { ChatRequest, Message, Part, ToolResultPart } from '../../core/request.ts';
import type { Drop, Target } from '../protocol.ts';
import { encodeSeal } from '../seals.ts';
import { callItem, freshId, inputContent, outputText, ownExtra, ownForeign } from './encode-item.ts';
import { encodeText, encodeToolChoice, encodeTools } from './encode-tools.ts';
import { codexDialect, id, issuer } from './wire.ts';

/** A request as a Responses body: stateless, with reasoning sealed so that the next turn can bring it back. */
export function encodeRequest(request: ChatRequest, target: Target): Json {
  const { sampling, reasoning } = request;
  const native = readObject(request.extra[id]);
  const own = native ?? {};
  const { instructions, lead } = splitSystem(request.system);
  reportLosses(request, target.drop);
  const body = compact({
    ...(native ?? stateless(request)),
    model: target.model,
    instructions: instructions === '' ? undefined : instructions,
    input: [...lead, ...encodeMessages(request, target.drop)],
    tools: encodeTools(request.tools, target.drop),
    tool_choice: encodeToolChoice(request),
    parallel_tool_calls: request.parallelTools,
    max_output_tokens: sampling.maxTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_logprobs: sampling.logprobs?.top,
    reasoning: encodeReasoning(reasoning),
    text: encodeText(request.output, readObject(own.text)),
    stream: request.stream,
    user: request.user,
    service_tier: request.serviceTier,
    prompt_cache_key: request.cacheKey,
  });
  return target.dialect === codexDialect ? codex(body, target.drop) : body;
}

/** Nothing is kept by the server, so its answer must hold everything that the next turn has to bring back. */
function stateless(request: ChatRequest): Json {
  const logprobs = request.sampling.logprobs ? ['message.output_text.logprobs'] : [];
  return { store: false, include: ['reasoning.encrypted_content', ...logprobs] };
}

/** Parameters that ChatGPT's backend answers with 400 "Unsupported parameter" (spec: codex, body). */
const codexRefuses = [
  'max_output_tokens',
  'temperature',
  'top_p',
  'truncation',
  'user',
  'context_management',
  'top_logprobs',
].concat([
  'previous_response_id',
  'generate',
  'prompt_cache_retention',
  'safety_identifier',
  'stream_options',
  'metadata',
  'background',
]);

function codex(body: Json, drop: Drop): Json {
  const refused = codexRefuses.filter((name) => body[name] !== undefined);
  for (const name of refused) drop(name);
  const tier = body.service_tier === 'priority' ? { service_tier: 'priority' } : {};
  return {
    ...omit(body, new Set([...codexRefuses, 'service_tier'])),
    ...tier,
    instructions: readString(body.instructions) ?? '',
    store: false,
    stream: true,
    include: ['reasoning.encrypted_content'],
    ...(body.tools === undefined ? {} : { parallel_tool_calls: body.parallel_tool_calls ?? true }),
  };
}

function reportLosses(request: ChatRequest, drop: Drop): void {
  const { sampling } = request;
  if (sampling.stop) drop('stop');
  if (sampling.topK !== undefined) drop('top_k');
  if (sampling.seed !== undefined) drop('seed');
  if (sampling.presencePenalty !== undefined) drop('presence_penalty');
  if (sampling.frequencyPenalty !== undefined) drop('frequency_penalty');
  if (sampling.choices !== undefined) drop('n');
  for (const [protocol, fields] of Object.entries(request.extra))
    if (protocol !== id) for (const name of Object.keys(fields)) if (!silent.has(name)) drop(name);
  const marked = [
    ...request.system,
    ...request.messages.flatMap((message) => message.parts),
    ...request.tools,
  ];
  if (marked.some((item) => item.cache)) drop('cache_control');
}

/** Fields that say how the answer is to be spelled, which the client's own side of its protocol honours. */
const silent = new Set(['stream_options', 'store']);

/** Instructions of other protocols are one text; those that came as items of their own stay items. */
function splitSystem(system: readonly Part[]): { instructions: string; lead: readonly Json[] } {
  const itemised = system.filter((part) => ownExtra(part).role !== undefined);
  const texts = system
    .filter((part) => ownExtra(part).role === undefined)
    .flatMap((part) => ('text' in part ? [part.text] : []));
  return {
    instructions: texts.join('\n\n'),
    lead: itemised.map((part) => instruction([part])),
  };
}

/** `developer` is what `system` is called here, unless the client said otherwise. */
function instruction(parts: readonly Part[]): Json {
  const role = readString(ownExtra(parts[0] ?? {}).role) ?? 'developer';
  return { type: 'message', role, content: parts.flatMap((part) => inputContent(part, () => {})) };
}

function encodeMessages(request: ChatRequest, drop: Drop): readonly Json[] {
  const continued = readString(readObject(request.extra[id])?.previous_response_id) !== undefined;
  const answered = new Set(
    request.messages.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.kind === 'tool-result' ? part.callId : [])),
    ),
  );
  const called = new Set<string>(continued ? answered : []);
  return request.messages.flatMap((message) => {
    if (message.role === 'system') return message.parts.length > 0 ? [instruction(message.parts)] : [];
    if (message.role === 'user') return encodeUserTurn(message, called, drop);
    return encodeAssistantTurn(message, called, answered, drop);
  });
}

/** Results come before whatever else the user says, because they belong to the calls just made. */
function encodeUserTurn(message: Message, called: ReadonlySet<string>, drop: Drop): readonly Json[] {
  const results = lastOfEach(message.parts.filter((part) => part.kind === 'tool-result'));
  const known = results.filter((result) => called.has(result.callId));
  const orphans = results.filter((result) => !called.has(result.callId));
  const others = message.parts.filter((part) => part.kind !== 'tool-result');
  const said = [
    ...orphans.flatMap((result) => orphan(result, drop)),
    ...others.flatMap((part) => inputContent(part, drop)),
  ];
  const spoken = { type: 'message', role: 'user', content: said, ...readObject(message.extra?.[id]) };
  return [...known.map((result) => resultItem(result, drop)), ...(said.length > 0 ? [spoken] : [])];
}

const lastOfEach = (results: readonly ToolResultPart[]) => [
  ...new Map(results.map((result) => [result.callId, result])).values(),
];

const orphan = (result: ToolResultPart, drop: Drop): readonly Json[] => [
  { type: 'input_text', text: `[Result of the tool call ${result.callId}]` },
  ...result.parts.flatMap((part) => inputContent(part, drop)),
];

function resultItem(result: ToolResultPart, drop: Drop): Json {
  const type = result.custom ? 'custom_tool_call_output' : 'function_call_output';
  const content = result.parts.flatMap((part) => inputContent(part, drop));
  const plain = content.every((part) => part.type === 'input_text');
  const text = content.map((part) => readString(part.text) ?? '').join('\n');
  const failed = result.failed ? `Error: ${text}` : text;
  return { type, call_id: result.callId, output: plain ? failed : content, ...ownExtra(result) };
}

function encodeAssistantTurn(
  message: Message,
  called: Set<string>,
  answered: ReadonlySet<string>,
  drop: Drop,
): readonly Json[] {
  const items: Json[] = [];
  let content: Json[] = [];
  const flush = () => {
    if (content.length > 0)
      items.push({ type: 'message', role: 'assistant', content, ...readObject(message.extra?.[id]) });
    content = [];
  };
  for (const part of message.parts) {
    const spoken = assistantContent(part);
    if (spoken) content.push(spoken);
    else {
      flush();
      items.push(...assistantItems(part, called, answered, drop));
    }
  }
  flush();
  return items;
}

function assistantContent(part: Part): Json | undefined {
  if (part.kind === 'text') return part.text === '' ? undefined : outputText(part.text, part.citations);
  return part.kind === 'refusal' ? { type: 'refusal', refusal: part.text } : undefined;
}

function assistantItems(
  part: Part,
  called: Set<string>,
  answered: ReadonlySet<string>,
  drop: Drop,
): readonly Json[] {
  const own = ownForeign(part);
  if (own) return [own];
  if (part.kind === 'text') return [];
  if (part.kind === 'reasoning') return reasoningHistory(part, drop);
  if (part.kind === 'tool-call') {
    called.add(part.callId);
    const { id: itemId, ...rest } = ownExtra(part);
    const call = {
      ...omit(
        callItem(part, readString(itemId) ?? freshId.call(part.custom ?? false)),
        new Set(itemId ? [] : ['id']),
      ),
      ...rest,
    };
    if (answered.has(part.callId)) return [call];
    const type = part.custom ? 'custom_tool_call_output' : 'function_call_output';
    return [call, { type, call_id: part.callId, output: 'No result was given.' }];
  }
  drop(`${part.kind} in the history`);
  return [];
}

/** Only what OpenAI encrypted itself can go back; a thought of another vendor is left out whole. */
function reasoningHistory(part: Extract<Part, { kind: 'reasoning' }>, drop: Drop): readonly Json[] {
  if (part.seal?.issuer !== issuer) {
    drop('reasoning of another provider in the history');
    return [];
  }
  const summary = part.text === '' ? [] : [{ type: 'summary_text', text: part.text }];
  return [
    { type: 'reasoning', summary, encrypted_content: encodeSeal(part.seal, issuer), ...ownExtra(part) },
  ];
}

function encodeReasoning(reasoning: ChatRequest['reasoning']): Json | undefined {
  if (!reasoning) return undefined;
  const { effort, budget, summary } = reasoning;
  const level =
    effort === 'auto' ? undefined : (effort ?? (budget === undefined ? undefined : effortWord(budget)));
  const wire = compact({ effort: level, summary: summary === 'none' ? undefined : summary });
  return Object.keys(wire).length > 0 ? wire : undefined;
}

/** Responses knows no word for the model's own choice, so it is left unsaid. */
function effortWord(budget: number): string | undefined {
  const effort = effortOf(budget);
  return effort === 'auto' ? undefined : effort;
}
