import { compact, type Draft, type Json, readArray } from '../../core/json.ts';
import type { ChatRequest, FunctionTool, HostedToolSpec, Tool, ToolChoice } from '../../core/request.ts';
import type { Drop } from '../protocol.ts';
import { objectSchema } from './decode-tools.ts';
import { qualifiedName } from './encode-messages.ts';
import { encodeCache, encodeExtra, ownForeign } from './wire.ts';

/** What a request says of tools, each field only where there is something to say. */
export interface ToolFields {
  readonly tools?: readonly Json[];
  readonly tool_choice?: Json;
}

export function encodeTools(request: ChatRequest, drop: Drop): ToolFields {
  if (request.tools.length === 0) return noTools;
  const tools: Json[] = [];
  for (const [index, tool] of request.tools.entries()) {
    const block = offered(tool, request) ? encodeTool(tool, `tools[${index}]`, drop) : undefined;
    if (block) tools.push(block);
  }
  // Anthropic refuses a choice without tools.
  return tools.length > 0 ? { tools, ...encodeChoice(request, tools, drop) } : noTools;
}

const noTools: ToolFields = {};

/** A choice among some tools is a shorter list of tools here. */
const offered = ({ name }: Tool, { toolChoice }: ChatRequest): boolean =>
  toolChoice?.kind !== 'subset' || toolChoice.names.includes(name);

function encodeTool(tool: Tool, path: string, drop: Drop): Json | undefined {
  const block = encodeBare(tool, path, drop);
  if (!block) return undefined;
  if (tool.namespace !== undefined) drop(`${path}.namespace`);
  if (!tool.extra && !tool.cache) return block;
  return { ...block, ...encodeExtra(tool.extra, path, drop), ...encodeCache(tool.cache) };
}

function encodeBare(tool: Tool, path: string, drop: Drop): Json | undefined {
  if (tool.kind === 'hosted') return encodeHosted(tool, path, drop);
  if (tool.kind === 'function') return encodeFunction(tool);
  if (tool.format !== undefined) drop(`${path}.format`);
  return encodeFunction({ ...tool, kind: 'function', schema: freeText });
}

/** A tool that takes free text takes it under this name; `encode-messages.ts` says its calls the same way. */
const freeText: Json = {
  type: 'object',
  properties: { input: { type: 'string', description: 'The whole input of the tool, as plain text.' } },
  required: ['input'],
};

function encodeFunction(tool: FunctionTool): Json {
  const block: Draft<Json> = { name: qualifiedName(tool) };
  if (tool.description !== undefined) block.description = tool.description;
  block.input_schema = objectSchema(tool.schema);
  if (tool.strict) block.strict = true;
  return block;
}

/** Of other vendors' hosted tools only the web search has its like here that needs no beta. */
function encodeHosted(tool: HostedToolSpec, path: string, drop: Drop): Json | undefined {
  const own = ownForeign(tool.foreign);
  if (own) return tool.tool === 'web-search' ? withoutEmptyDomains(own) : own;
  if (tool.tool !== 'web-search') {
    drop(`${path}: ${tool.name}`);
    return undefined;
  }
  return withoutEmptyDomains(
    compact({
      type: 'web_search_20250305',
      name: 'web_search',
      max_uses: tool.maxUses,
      allowed_domains: tool.allowedDomains,
      blocked_domains: tool.blockedDomains,
    }),
  );
}

/** Anthropic answers 400 to an empty list of domains. */
function withoutEmptyDomains(tool: Json): Json {
  const entries = Object.entries(tool).filter(
    ([key, value]) => !key.endsWith('_domains') || readArray(value)?.length !== 0,
  );
  return Object.fromEntries(entries);
}

function encodeChoice(request: ChatRequest, tools: readonly Json[], drop: Drop): ToolFields {
  const { toolChoice, parallelTools } = request;
  if (toolChoice?.kind === 'none') return { tool_choice: { type: 'none' } };
  const parallel = parallelTools === undefined ? {} : { disable_parallel_tool_use: !parallelTools };
  if (!toolChoice) return parallelTools === undefined ? {} : { tool_choice: { type: 'auto', ...parallel } };
  if (toolChoice.kind !== 'tool')
    return { tool_choice: { type: isAny(toolChoice) ? 'any' : 'auto', ...parallel } };
  const name = chosenName(toolChoice, request);
  if (tools.some((tool) => tool.name === name)) return { tool_choice: { type: 'tool', name, ...parallel } };
  drop(`tool_choice: ${name} is not among the tools`);
  return {};
}

const isAny = (choice: ToolChoice): boolean =>
  choice.kind === 'required' || (choice.kind === 'subset' && choice.required);

/** The chosen tool's name here; a web search of another vendor goes by the name of Anthropic's. */
function chosenName(choice: Extract<ToolChoice, { kind: 'tool' }>, { tools }: ChatRequest): string {
  const hosted = tools.find((tool) => tool.kind === 'hosted' && tool.name === choice.name);
  if (hosted?.kind !== 'hosted' || ownForeign(hosted.foreign)) return qualifiedName(choice);
  return hosted.tool === 'web-search' ? 'web_search' : choice.name;
}

/** Whether the model must call a tool, which Anthropic does not let it think about. */
export const isForced = ({ tool_choice: choice }: ToolFields): boolean =>
  choice?.type === 'any' || choice?.type === 'tool';
