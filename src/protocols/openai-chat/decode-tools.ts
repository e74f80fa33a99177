import {
  compact,
  type Json,
  noFields,
  readArray,
  readBoolean,
  readObject,
  readObjects,
  readString,
} from '../../core/json.ts';
import type { FunctionTool, HostedToolSpec, Tool, ToolChoice } from '../../core/request.ts';
import {
  cacheMark,
  extraOf,
  invalid,
  optionalArray,
  optionalObject,
  optionalString,
  protocolId,
  typeName,
} from './wire.ts';

/** Reads `tools`, their forerunner `functions`, and `web_search_options`. */
export function decodeTools(body: Json): readonly Tool[] {
  const tools: Tool[] = [];
  optionalArray(body, 'tools')?.forEach((tool, index) => {
    tools.push(decodeTool(tool, `tools[${index}]`));
  });
  optionalArray(body, 'functions')?.forEach((value, index) => {
    const path = `functions[${index}]`;
    tools.push(decodeFunction(object(value, path), noFields, path));
  });
  const search = optionalObject(body, 'web_search_options');
  if (search) tools.push(decodeSearch(search));
  return tools;
}

function object(value: unknown, path: string): Json {
  const found = readObject(value);
  if (!found) throw invalid(path, `must be an object, but is ${typeName(value)}`);
  return found;
}

function decodeTool(value: unknown, path: string): Tool {
  const tool = object(value, path);
  const type = tool['type'] ?? 'function';
  if (type === 'custom' && readObject(tool['custom'])) return decodeCustom(tool, path);
  const inner = readObject(tool['function']);
  if (inner) return decodeFunction(inner, tool, path);
  // The flat forms of Responses and of Anthropic, which clients of several APIs send here too.
  if (type === 'function' || (type === 'custom' && 'input_schema' in tool))
    return decodeFunction(tool, noFields, path);
  return decodeHosted(tool, path);
}

const functionFields: ReadonlySet<string> = new Set([
  'type',
  'function',
  'custom',
  'name',
  'description',
  'parameters',
  'input_schema',
  'strict',
  'cache_control',
]);
const wrapperFields: ReadonlySet<string> = new Set(['type', 'function', 'custom', 'cache_control']);

function decodeFunction(inner: Json, wrapper: Json, path: string): FunctionTool {
  const schema = readObject(inner['parameters'] ?? inner['input_schema']);
  return {
    kind: 'function',
    name: nameOf(inner, path),
    schema: objectSchema(schema),
    description: optionalString(inner, 'description', path),
    strict: readBoolean(inner['strict'] ?? wrapper['strict']),
    cache: cacheMark(wrapper) ?? cacheMark(inner),
    extra: extraOf({ ...inner, ...wrapper }, functionFields),
  };
}

function decodeCustom(tool: Json, path: string): Tool {
  const custom = readObject(tool['custom'])!;
  return {
    kind: 'custom',
    name: nameOf(custom, path),
    ...compact({ format: readObject(custom['format']) }),
    description: optionalString(custom, 'description', path),
    cache: cacheMark(tool),
    extra: extraOf(tool, wrapperFields),
  };
}

/** Tools that a vendor runs itself, such as `{type: 'openrouter:web_search'}` (capture 2f5a7f…). */
function decodeHosted(tool: Json, path: string): HostedToolSpec {
  const type = readString(tool['type']);
  if (!type) throw invalid(`${path}.type`, 'must be a string');
  return {
    kind: 'hosted',
    tool: type.includes('web_search') ? 'web-search' : 'other',
    name: readString(tool['name']) ?? type,
    foreign: { protocol: protocolId, value: tool },
  };
}

/** The web search of OpenAI's search models. Its options are kept as written; `encode-tools` knows them by their key. */
const decodeSearch = (options: Json): HostedToolSpec => ({
  kind: 'hosted',
  tool: 'web-search',
  name: 'web_search',
  foreign: { protocol: protocolId, value: { web_search_options: options } },
});

function nameOf(tool: Json, path: string): string {
  const name = readString(tool['name']);
  if (!name) throw invalid(`${path}.function.name`, 'must be a non-empty string');
  return name;
}

/** Every wire wants an object schema with properties; clients leave them out for tools without arguments. */
export function objectSchema(schema: Json | undefined): Json {
  if (!schema) return { type: 'object', properties: {} };
  const combined = 'anyOf' in schema || 'oneOf' in schema || 'allOf' in schema || '$ref' in schema;
  if (combined) return schema['type'] === undefined ? { ...schema, type: 'object' } : schema;
  if (schema['type'] === 'object' && readObject(schema['properties'])) return schema;
  return { ...schema, type: 'object', properties: readObject(schema['properties']) ?? {} };
}

// ------------------------------------------------------------------------------------------------------------ choices

const words: ReadonlyMap<string, ToolChoice> = new Map([
  ['auto', { kind: 'auto' }],
  ['none', { kind: 'none' }],
  ['required', { kind: 'required' }],
  // Mistral's and Anthropic's word.
  ['any', { kind: 'required' }],
]);

/** Reads `tool_choice` or its forerunner `function_call`. */
export function decodeToolChoice(body: Json): ToolChoice | undefined {
  const value = body['tool_choice'] ?? body['function_call'];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') {
    const choice = words.get(value);
    if (choice) return choice;
    throw invalid(
      'tool_choice',
      `must be "auto", "none", "required" or an object, but is "${value.slice(0, 40)}"`,
    );
  }
  const choice = readObject(value);
  if (!choice) throw invalid('tool_choice', `must be a string or an object, but is ${typeName(value)}`);
  if (choice['type'] === 'allowed_tools') return decodeSubset(readObject(choice['allowed_tools']) ?? choice);
  const word = typeof choice['type'] === 'string' ? words.get(choice['type']) : undefined;
  if (word) return word;
  const name = chosenName(choice);
  if (!name) throw invalid('tool_choice', 'names no tool');
  return { kind: 'tool', name };
}

function decodeSubset(choice: Json): ToolChoice {
  if (!readArray(choice['tools'])) throw invalid('tool_choice.allowed_tools.tools', 'must be an array');
  const names = readObjects(choice['tools']).flatMap((tool) => chosenName(tool) ?? []);
  return { kind: 'subset', names, required: choice['mode'] === 'required' };
}

/** `{type, function: {name}}`, `{type, custom: {name}}`, or the flat `{name}` of Responses, Anthropic and `function_call`. */
const chosenName = (choice: Json): string | undefined =>
  readString(readObject(choice['function'])?.['name']) ??
  readString(readObject(choice['custom'])?.['name']) ??
  readString(choice['name']);
