import { compact, type Draft, type Json, noFields, readObject } from '../../core/json.ts';
import type { ChatRequest, HostedToolSpec, Tool } from '../../core/request.ts';
import type { Drop } from '../protocol.ts';
import { objectSchema } from './decode-tools.ts';
import { dropForeign, encodeCacheMark, isOpenAi, ownExtra, protocolId, takesCacheMarks } from './wire.ts';

/** `tools`, `tool_choice`, `parallel_tool_calls` and `web_search_options`, as far as the request has any. */
export function encodeTools(request: ChatRequest, model: string, drop: Drop): Json {
  if (request.tools.length === 0) return noFields;
  const offered = offeredTools(request, model);
  const tools: Json[] = [];
  let rest = noFields;
  for (const [index, tool] of offered.entries()) {
    const path = `tools[${index}]`;
    dropForeign(tool.extra, path, drop);
    if (tool.namespace !== undefined) drop(`${path}.namespace`);
    if (tool.kind !== 'hosted') {
      tools.push(encodeTool(tool, model, drop));
      continue;
    }
    const own = ownHosted(tool);
    if (!own) drop(`${path}: ${tool.name}`);
    else if (readObject(own['web_search_options'])) rest = own;
    else tools.push(own);
  }
  // A choice without tools is refused.
  if (tools.length === 0) return rest;
  return {
    ...rest,
    tools,
    ...compact({ tool_choice: encodeChoice(request, model), parallel_tool_calls: request.parallelTools }),
  };
}

/** Only OpenAI knows `allowed_tools`; elsewhere the others are not offered. */
function offeredTools({ tools, toolChoice }: ChatRequest, model: string): readonly Tool[] {
  if (toolChoice?.kind !== 'subset' || isOpenAi(model)) return tools;
  const names = new Set(toolChoice.names);
  return tools.filter((tool) => names.has(tool.name));
}

function encodeTool(tool: Exclude<Tool, HostedToolSpec>, model: string, drop: Drop): Json {
  const { name, description, cache } = tool;
  const said: Draft<Json> = { name };
  if (description !== undefined) said['description'] = description;
  if (tool.kind === 'custom' && tool.format) said['format'] = tool.format;
  if (tool.kind === 'function') said['parameters'] = objectSchema(tool.schema);
  if (tool.kind === 'function' && tool.strict !== undefined) said['strict'] = tool.strict;
  const body =
    tool.kind === 'custom' ? { type: 'custom', custom: said } : { type: 'function', function: said };
  Object.assign(body, ownExtra(tool.extra));
  if (cache && takesCacheMarks(model)) Object.assign(body, encodeCacheMark(cache));
  else if (cache) drop('cache_control');
  return body;
}

function ownHosted({ foreign }: HostedToolSpec): Json | undefined {
  return foreign.protocol === protocolId ? readObject(foreign.value) : undefined;
}

function encodeChoice({ tools, toolChoice: choice }: ChatRequest, model: string): unknown {
  if (!choice) return undefined;
  const named = (name: string): Json =>
    tools.some((tool) => tool.kind === 'custom' && tool.name === name)
      ? { type: 'custom', custom: { name } }
      : { type: 'function', function: { name } };
  if (choice.kind === 'tool') return named(choice.name);
  if (choice.kind !== 'subset') return choice.kind;
  const mode = choice.required ? 'required' : 'auto';
  return isOpenAi(model)
    ? { type: 'allowed_tools', allowed_tools: { mode, tools: choice.names.map(named) } }
    : mode;
}
