import { effortBudgets } from '../../core/effort.ts';
import {
  compact,
  type Json,
  omit,
  readArray,
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import type { Effort } from '../../core/request.ts';
import { parametersSchema } from '../../protocols/gemini/index.ts';
import type { Call } from '../channel.ts';
import { type Fitted, reportLeftOut } from '../code-assist.ts';
import { mendCalls } from '../code-assist-wrapper.ts';
import { withCallIds } from '../google-calls.ts';

/** What Antigravity wants otherwise than Gemini. */

const isClaude = (model: string): boolean => model.includes('claude');

/** What kind of work it is, and an id for it. The field that names a client as Antigravity is left out (decision 8). */
function workOf(request: Json, model: string): Json {
  if (/image/.test(model))
    return { requestType: 'image_gen', requestId: `image_gen/${Date.now()}/${crypto.randomUUID()}/12` };
  const requestType = onlySearches(request) ? 'web_search' : 'agent';
  return { requestType, requestId: `agent-${crypto.randomUUID()}` };
}

function onlySearches({ tools }: Json): boolean {
  const names = readObjects(tools).flatMap((tool) => Object.keys(tool));
  return names.length > 0 && names.every((name) => name === 'googleSearch' || name === 'google_search');
}

/** A request as Antigravity takes it. */
export function fit(body: string, call: Call): Fitted {
  const { model } = call;
  const given = tryParseObject(body);
  if (!given) return { body };
  reportLeftOut(given, unknown, call);
  const claude = isClaude(model);
  // Claude's results find their calls by ids, which other models' calls need not have.
  const request = claude ? withCallIds(given) : given;
  const padded = new Map<string, readonly string[]>();
  const tools =
    readArray(request.tools) && readObjects(request.tools).map((tool) => fitTool(tool, claude, padded));
  const fitted = compact({
    ...omit(request, unknown),
    tools,
    toolConfig: toolConfigOf(request, claude),
    generationConfig: generationConfigOf(request, claude, call),
    sessionId: request.sessionId ?? sessionOf(request),
  });
  const mend = padded.size > 0 ? { mend: (response: Json) => mendCalls(response, unpad(padded)) } : {};
  return { body: JSON.stringify(fitted), fields: workOf(request, model), ...mend };
}

/** Fields of Gemini's that it does not know, and those written anew. */
const unknown = new Set(
  (
    'safetySettings safety_settings serviceTier service_tier store model stream ' +
    'toolConfig tool_config generationConfig generation_config'
  ).split(' '),
);

/** Stays the same for the turns of one conversation: a negative number from its first words. */
function sessionOf({ contents }: Json): string {
  const user = readObjects(contents).find((content) => content.role !== 'model');
  const text = readObjects(user?.parts)
    .map((part) => readString(part.text) ?? '')
    .join('');
  const hash = new Bun.CryptoHasher('sha256').update(text || crypto.randomUUID()).digest();
  return `-${hash.readBigUInt64BE(0) & 0x7fff_ffff_ffff_ffffn}`;
}

// ------------------------------------------------------------------------------------------------------------ tools

function fitTool(tool: Json, claude: boolean, padded: Map<string, readonly string[]>): Json {
  const key = 'function_declarations' in tool ? 'function_declarations' : 'functionDeclarations';
  const declarations = readArray(tool[key]);
  if (!declarations) return tool;
  return { ...tool, [key]: readObjects(declarations).map((one) => fitDeclaration(one, claude, padded)) };
}

/** It knows `parameters` only, in Gemini's dialect. */
function fitDeclaration(declaration: Json, claude: boolean, padded: Map<string, readonly string[]>): Json {
  const { parametersJsonSchema, parameters_json_schema, ...rest } = declaration;
  const schema = readObject(parametersJsonSchema ?? parameters_json_schema);
  const parameters = schema ? parametersSchema(schema) : readObject(rest.parameters);
  if (!claude) return compact({ ...rest, parameters });
  const { schema: filled, added } = pad(parameters ?? { type: 'OBJECT' });
  if (added.length > 0) padded.set(String(rest.name), added);
  return { ...rest, parameters: filled };
}

/**
 * Validated calls of Claude want an object with something in it that is required. What is added here is taken out of
 * the calls that come back.
 */
function pad(schema: Json): { readonly schema: Json; readonly added: readonly string[] } {
  const properties = readObject(schema.properties) ?? {};
  const required = readArray(schema.required) ?? [];
  if (required.length > 0) return { schema, added: [] };
  const [name, type] = Object.keys(properties).length === 0 ? ['reason', reasonType] : ['_', markType];
  return {
    schema: { ...schema, properties: { ...properties, [name]: type }, required: [name] },
    added: [name],
  };
}

const reasonType: Json = { type: 'STRING', description: 'Why this tool is called, in a few words.' };
const markType: Json = { type: 'BOOLEAN', description: 'Always true.' };

const unpad =
  (padded: ReadonlyMap<string, readonly string[]>) =>
  (name: string, args: Json): Json =>
    omit(args, new Set(padded.get(name)));

/** Claude's calls are validated; no other mode is known to work with it. */
function toolConfigOf(request: Json, claude: boolean): Json | undefined {
  const own = readObject(request.toolConfig ?? request.tool_config) ?? {};
  const { includeServerSideToolInvocations: _, ...config } = own;
  const declares = readObjects(request.tools).some(
    (tool) => tool.functionDeclarations ?? tool.function_declarations,
  );
  const calling = readObject(config.functionCallingConfig ?? config.function_calling_config) ?? {};
  const { function_calling_config: __, ...rest } = config;
  if (!claude || !declares || calling.mode === 'NONE')
    return Object.keys(config).length > 0 ? config : undefined;
  return { ...rest, functionCallingConfig: { ...calling, mode: 'VALIDATED' } };
}

// ------------------------------------------------------------------------------------------------------ generation

/** The most that Claude says here in one answer, thoughts included. */
const claudeLimit = 64_000;

/** Only Claude may be told how long its answer may be, and then it must be longer than its thoughts. */
function generationConfigOf(request: Json, claude: boolean, { drop }: Call): Json | undefined {
  const own = readObject(request.generationConfig ?? request.generation_config) ?? {};
  const { maxOutputTokens, max_output_tokens, thinkingConfig, thinking_config, ...rest } = own;
  const thinking = readObject(thinkingConfig ?? thinking_config);
  if (!claude && (maxOutputTokens ?? max_output_tokens) !== undefined)
    drop?.('generationConfig.maxOutputTokens: Antigravity takes it for Claude only');
  const config = claude
    ? { ...rest, ...claudeLengths(readNumber(maxOutputTokens ?? max_output_tokens), thinking) }
    : compact({ ...rest, thinkingConfig: thinking });
  return Object.keys(config).length > 0 ? config : undefined;
}

/** Room for an answer after the thoughts, where its client names no limit. */
const answerTokens = 8_192;
/** Anthropic's least budget, and the part of a limit that thoughts may take when they would take it all. */
const leastBudget = 1_024;
const thoughtShare = 3 / 4;

/** The client's limit holds: thoughts that would fill it are shortened, and left out where too few tokens remain. */
function claudeLengths(wished: number | undefined, thinking: Json | undefined): Json {
  const most = wished === undefined ? undefined : Math.min(wished, claudeLimit);
  const budget = thinking && budgetOf(thinking);
  if (!thinking || !budget) return compact({ maxOutputTokens: most, thinkingConfig: thinking });
  if (most === undefined) {
    const bounded = Math.min(budget, claudeLimit - answerTokens);
    return { maxOutputTokens: bounded + answerTokens, thinkingConfig: withBudget(thinking, bounded) };
  }
  const bounded = budget < most ? budget : Math.floor(most * thoughtShare);
  if (bounded < leastBudget) return { maxOutputTokens: most };
  return { maxOutputTokens: most, thinkingConfig: withBudget(thinking, bounded) };
}

function withBudget(thinking: Json, thinkingBudget: number): Json {
  const { thinkingLevel: _, thinking_level: __, thinking_budget: ___, ...rest } = thinking;
  return { ...rest, thinkingBudget };
}

/** Claude's thinking is steered by budgets; it has no choice of its own, which elsewhere is -1. */
function budgetOf(thinking: Json): number | undefined {
  const budget = readNumber(thinking.thinkingBudget ?? thinking.thinking_budget);
  if (budget !== undefined) return budget < 0 ? effortBudgets.medium : budget;
  const level = readString(thinking.thinkingLevel ?? thinking.thinking_level)?.toLowerCase();
  return level === undefined ? undefined : effortBudgets[level as Effort];
}
