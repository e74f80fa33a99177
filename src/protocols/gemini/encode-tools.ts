import { compact, type Json, readObject } from '../../core/json.ts';
import type { ChatRequest, FunctionTool, Tool } from '../../core/request.ts';
import type { Drop } from '../protocol.ts';
import { geminiSchema } from './schema-dialect.ts';
import { id } from './wire.ts';

/** What Gemini calls the hosted tools that other vendors have too. */
const hosted: Readonly<Record<string, string>> = {
  'web-search': 'googleSearch',
  'web-fetch': 'urlContext',
  'code-execution': 'codeExecution',
};

export function encodeTools(request: ChatRequest, drop: Drop): readonly Json[] | undefined {
  const functions = request.tools.filter((tool) => tool.kind !== 'hosted');
  const bags = request.tools.flatMap((tool) => (tool.kind === 'hosted' ? encodeHosted(tool, drop) : []));
  const declarations = functions.map((tool) => encodeFunction(tool, drop));
  const tools = [...(declarations.length > 0 ? [{ functionDeclarations: declarations }] : []), ...bags];
  return tools.length > 0 ? tools : undefined;
}

function encodeFunction(tool: Exclude<Tool, { kind: 'hosted' }>, drop: Drop): Json {
  const own = readObject(tool.extra?.[id]?.declaration);
  if (own) return { ...own, name: tool.name };
  if (tool.kind === 'custom') {
    if (tool.format) drop(`tools.${tool.name}.format`);
    return compact({ name: tool.name, description: tool.description, parameters: freeText });
  }
  if (tool.strict) drop(`tools.${tool.name}.strict`);
  return compact({ name: tool.name, description: tool.description, parameters: parametersOf(tool) });
}

/** A free-form tool takes one string. */
const freeText = { type: 'OBJECT', properties: { input: { type: 'STRING' } }, required: ['input'] };

/** A function without arguments must not declare an empty object: Gemini refuses one. */
function parametersOf(tool: FunctionTool): Json | undefined {
  const properties = readObject(tool.schema.properties);
  const bare = !properties || Object.keys(properties).length === 0;
  return bare && !tool.schema.$ref && !tool.schema.anyOf && !tool.schema.allOf
    ? undefined
    : geminiSchema(tool.schema);
}

function encodeHosted(tool: Extract<Tool, { kind: 'hosted' }>, drop: Drop): readonly Json[] {
  if (tool.foreign.protocol === id) return [readObject(tool.foreign.value) ?? {}];
  const name = hosted[tool.tool];
  if (name === undefined) {
    drop(`tools.${tool.name}`);
    return [];
  }
  if (tool.allowedDomains) drop(`tools.${tool.name}.allowed_domains`);
  if (tool.maxUses !== undefined) drop(`tools.${tool.name}.max_uses`);
  return [{ [name]: compact({ excludeDomains: name === 'googleSearch' ? tool.blockedDomains : undefined }) }];
}

export function encodeToolConfig({ toolChoice }: ChatRequest, own: Json | undefined): Json | undefined {
  const functionCallingConfig = toolChoice ? calling(toolChoice) : undefined;
  const config = compact({ ...own, functionCallingConfig });
  return Object.keys(config).length > 0 ? config : undefined;
}

function calling(choice: NonNullable<ChatRequest['toolChoice']>): Json {
  switch (choice.kind) {
    case 'auto':
      return { mode: 'AUTO' };
    case 'none':
      return { mode: 'NONE' };
    case 'required':
      return { mode: 'ANY' };
    case 'tool':
      return { mode: 'ANY', allowedFunctionNames: [choice.name] };
    case 'subset':
      return { mode: choice.required ? 'ANY' : 'VALIDATED', allowedFunctionNames: choice.names };
  }
}
