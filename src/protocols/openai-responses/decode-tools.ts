import {
  compact,
  type Json,
  omit,
  readArray,
  readBoolean,
  readNumber,
  readObject,
  readObjects,
  readString,
} from '../../core/json.ts';
import type { HostedTool, Tool, ToolChoice } from '../../core/request.ts';
import { id } from './wire.ts';

/** Tools as Responses lists them: flat functions, free-form tools, namespaces of both, and hosted ones. */
export function decodeTools(tools: readonly Json[]): readonly Tool[] {
  return tools.flatMap((tool) => {
    if (tool.type !== 'namespace') return [decodeTool(tool)];
    const namespace = readString(tool.name) ?? '';
    return readObjects(tool.tools).map((inner) => ({ ...decodeTool(inner), namespace }));
  });
}

const functionNamed = new Set(['type', 'name', 'description', 'parameters', 'strict', 'format']);

function decodeTool(tool: Json): Tool {
  const name = readString(tool.name) ?? '';
  const rest = omit(tool, functionNamed);
  const common = compact({
    name,
    description: readString(tool.description),
    extra: { [id]: rest },
  });
  if (tool.type === 'function')
    return compact({
      kind: 'function' as const,
      ...common,
      schema: schemaOf(tool),
      strict: readBoolean(tool.strict),
    }) as Tool;
  if (tool.type === 'custom')
    return compact({ kind: 'custom' as const, ...common, format: readObject(tool.format) }) as Tool;
  return decodeHosted(tool);
}

/** A function's arguments are always an object, also when the client left the schema out. */
function schemaOf(tool: Json): Json {
  const schema = readObject(tool.parameters) ?? {};
  return schema.type === undefined ? { type: 'object', properties: {}, ...schema } : schema;
}

const hostedTools: readonly (readonly [RegExp, HostedTool])[] = [
  [/^web_search/, 'web-search'],
  [/^code_interpreter$/, 'code-execution'],
  [/^image_generation$/, 'image-generation'],
  [/^file_search$/, 'file-search'],
  [/^mcp$/, 'mcp'],
];

function decodeHosted(tool: Json): Tool {
  const type = readString(tool.type) ?? 'unknown';
  const domains = (readArray(readObject(tool.filters)?.allowed_domains) ?? []).filter(
    (item) => typeof item === 'string',
  );
  return compact({
    kind: 'hosted' as const,
    tool: hostedTools.find(([pattern]) => pattern.test(type))?.[1] ?? 'other',
    name: readString(tool.name) ?? type,
    allowedDomains: domains.length > 0 ? (domains as string[]) : undefined,
    maxUses: readNumber(tool.max_uses),
    foreign: { protocol: id, value: tool },
  }) as Tool;
}

/** A choice by word, by function, by subset, or of a hosted tool by its type. */
export function decodeToolChoice(choice: unknown): ToolChoice | undefined {
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { kind: choice };
  const wire = readObject(choice);
  if (!wire) return undefined;
  const type = readString(wire.type) ?? '';
  if (type === 'allowed_tools') {
    const names = readObjects(wire.tools).flatMap(
      (tool) => readString(tool.name) ?? readString(tool.type) ?? [],
    );
    return { kind: 'subset', names, required: wire.mode === 'required' };
  }
  const namespace = readString(wire.namespace);
  return {
    kind: 'tool',
    name: readString(wire.name) ?? type,
    ...(namespace === undefined ? {} : { namespace }),
  };
}
