import { compact, type Json, readObject } from '../../core/json.ts';
import type { ChatRequest, HostedToolSpec, Tool, ToolChoice } from '../../core/request.ts';
import { spelling } from '../foreign.ts';
import type { Drop, Target } from '../protocol.ts';
import { drawsImages } from './encode-config.ts';
import { parametersSchema } from './schema-dialect.ts';
import { generationOf, id, vertex } from './wire.ts';

/** What Gemini calls the hosted tools that other vendors have too. */
const hosted: Readonly<Record<string, string>> = {
  'web-search': 'googleSearch',
  'web-fetch': 'urlContext',
  'code-execution': 'codeExecution',
};

/** The functions in one bag, each hosted tool in one of its own. */
export function encodeTools(request: ChatRequest, target: Target): readonly Json[] | undefined {
  const declarations = functionsOf(request).map((tool) => encodeFunction(tool, target.drop));
  const bags = request.tools.flatMap((tool) =>
    tool.kind === 'hosted' ? encodeHosted(tool, request, target) : [],
  );
  const tools = [...(declarations.length > 0 ? [{ functionDeclarations: declarations }] : []), ...bags];
  return tools.length > 0 ? tools : undefined;
}

type Declared = Exclude<Tool, HostedToolSpec>;

const functionsOf = ({ tools }: ChatRequest): readonly Declared[] =>
  tools.filter((tool) => tool.kind !== 'hosted');

function encodeFunction(tool: Declared, drop: Drop): Json {
  const own = readObject(tool.extra?.[id]?.[spelling]);
  if (own) return { ...own, name: tool.name };
  const { name, description } = tool;
  if (tool.kind === 'custom') {
    if (tool.format) drop(`tools.${name}.format`);
    return compact({ name, description, parameters: freeText });
  }
  if (tool.strict) drop(`tools.${name}.strict`);
  return compact({ name, description, parameters: parametersSchema(tool.schema) });
}

/** A free-form tool takes one string. */
const freeText = { type: 'OBJECT', properties: { input: { type: 'STRING' } }, required: ['input'] };

function encodeHosted(tool: HostedToolSpec, request: ChatRequest, target: Target): readonly Json[] {
  const { drop, dialect } = target;
  if (tool.foreign.protocol === id) return [readObject(tool.foreign.value) ?? {}];
  if (tool.tool === 'image-generation' && drawsImages(request, target)) return [];
  const name = hosted[tool.tool];
  if (name === undefined) {
    drop(`tools.${tool.name}`);
    return [];
  }
  if (tool.allowedDomains) drop(`tools.${tool.name}.allowed_domains`);
  if (tool.maxUses !== undefined) drop(`tools.${tool.name}.max_uses`);
  // Only Vertex can leave domains out of a search.
  const excludes = name === 'googleSearch' && dialect === vertex;
  if (tool.blockedDomains && !excludes) drop(`tools.${tool.name}.blocked_domains`);
  return [{ [name]: compact({ excludeDomains: excludes ? tool.blockedDomains : undefined }) }];
}

/** `toolConfig`. @param own what only Gemini understands of it. */
export function encodeToolConfig(
  request: ChatRequest,
  own: Json | undefined,
  target: Target,
): Json | undefined {
  const config = compact({
    ...(mixes(request, target) ? { includeServerSideToolInvocations: true } : {}),
    ...own,
    functionCallingConfig: encodeChoice(request, own, target.drop),
  });
  return Object.keys(config).length > 0 ? config : undefined;
}

/** Hosted tools beside functions, as Gemini 3 takes them: the Gemini API wants to be told, Vertex does not know the field. */
function mixes(request: ChatRequest, { model, dialect }: Target): boolean {
  const functions = functionsOf(request).length;
  if (functions === 0 || functions === request.tools.length) return false;
  return dialect !== vertex && (generationOf(model) ?? 0) >= 3;
}

/** "Function calling config is set without function_declarations": a choice among no functions is refused. */
function encodeChoice(request: ChatRequest, own: Json | undefined, drop: Drop): unknown {
  const { toolChoice } = request;
  if (!toolChoice) return undefined;
  if (functionsOf(request).length > 0) {
    const { mode, ...rest } = readObject(own?.functionCallingConfig) ?? {};
    return { ...rest, ...calling(toolChoice), ...(mode && toolChoice.kind === 'auto' ? { mode } : {}) };
  }
  if (toolChoice.kind !== 'auto' && toolChoice.kind !== 'none') drop('tool_choice');
  return undefined;
}

function calling(choice: ToolChoice): Json {
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
