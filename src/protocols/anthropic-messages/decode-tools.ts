import {
  compact,
  type Json,
  omit,
  readArray,
  readBoolean,
  readNumber,
  readObject,
  readString,
} from '../../core/json.ts';
import type { HostedToolSpec, Tool, ToolChoice } from '../../core/request.ts';
import { cacheField, hostedTool } from './decode-content.ts';
import { decodeCache, decodeExtra, id, invalid } from './wire.ts';

/** The tools of a request: the client's own become functions, those that Anthropic defines stay as they are. */
export function decodeTools(tools: unknown): readonly Tool[] {
  if (tools === undefined || tools === null) return [];
  const list = readArray(tools);
  if (!list) throw invalid('tools', 'must be an array');
  return list.map((value, index) => {
    const tool = readObject(value);
    if (!tool) throw invalid(`tools[${index}]`, 'must be an object');
    const own = tool.type === undefined || tool.type === null || tool.type === 'custom';
    return own ? decodeFunction(tool, `tools[${index}]`) : decodeTyped(tool, `tools[${index}]`);
  });
}

const functionFields = new Set(['type', 'name', 'description', 'input_schema', 'strict', 'cache_control']);

function decodeFunction(tool: Json, path: string): Tool {
  const name = readString(tool.name);
  if (!name) throw invalid(`${path}.name`, 'must be a string');
  return {
    kind: 'function',
    name,
    description: readString(tool.description),
    schema: objectSchema(readObject(tool.input_schema)),
    strict: readBoolean(tool.strict),
    cache: decodeCache(tool.cache_control),
    extra: decodeExtra(tool, functionFields),
  };
}

/** Arguments are an object on every wire; a schema that does not say so, or says nothing, is completed. */
export const objectSchema = (schema: Json | undefined): Json =>
  schema?.type === 'object' && readObject(schema.properties)
    ? schema
    : { ...schema, type: 'object', properties: readObject(schema?.properties) ?? {} };

function decodeTyped(tool: Json, path: string): HostedToolSpec {
  const type = readString(tool.type);
  if (!type) throw invalid(`${path}.type`, 'must be a string');
  const domains = (key: string) => readArray(tool[key])?.filter((domain) => typeof domain === 'string');
  return compact({
    kind: 'hosted' as const,
    name: readString(tool.name) ?? type,
    tool: hostedTool(type),
    allowedDomains: domains('allowed_domains'),
    blockedDomains: domains('blocked_domains'),
    maxUses: readNumber(tool.max_uses),
    cache: decodeCache(tool.cache_control),
    foreign: { protocol: id, value: omit(tool, cacheField) },
  });
}

/** Which tool may or must be called. */
export function decodeToolChoice(wire: unknown): ToolChoice | undefined {
  if (wire === undefined || wire === null) return undefined;
  const choice = readObject(wire);
  const name = readString(choice?.name);
  switch (choice?.type) {
    case 'auto':
      return { kind: 'auto' };
    case 'none':
      return { kind: 'none' };
    case 'any':
      return { kind: 'required' };
    case 'tool':
      if (!name) throw invalid('tool_choice.name', 'must be the name of a tool');
      return { kind: 'tool', name };
    default:
      throw invalid('tool_choice.type', 'must be "auto", "any", "tool" or "none"');
  }
}
