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
import { id, inSpace } from './wire.ts';

/** Tools as Responses lists them: flat functions, free-form tools, namespaces of both, and hosted ones. */
export function decodeTools(tools: readonly Json[]): readonly Tool[] {
  return tools.flatMap((tool) => {
    if (tool.type !== 'namespace') return [decodeTool(tool)];
    const namespace = readString(tool.name) ?? '';
    const space = omit(tool, namespaceNamed);
    return readObjects(tool.tools).map((inner) => inSpace({ ...decodeTool(inner), namespace }, space));
  });
}

const namespaceNamed = new Set(['type', 'name', 'tools']);
const functionNamed = new Set(['type', 'name', 'description', 'parameters', 'strict']);
const customNamed = new Set(['type', 'name', 'description', 'format']);

function decodeTool(tool: Json): Tool {
  const common = (known: ReadonlySet<string>) =>
    compact({
      name: readString(tool.name) ?? '',
      description: readString(tool.description),
      extra: { [id]: omit(tool, known) },
    });
  if (tool.type === 'function')
    return compact({
      kind: 'function',
      ...common(functionNamed),
      schema: objectSchema(readObject(tool.parameters) ?? {}),
      strict: readBoolean(tool.strict),
    });
  if (tool.type === 'custom')
    return compact({ kind: 'custom', ...common(customNamed), format: decodeFormat(readObject(tool.format)) });
  return decodeHosted(tool);
}

/** A grammar stands flat on this wire, and in an object of its own on Chat's, whose form is the hall's. */
function decodeFormat(format: Json | undefined): Json | undefined {
  if (format?.type !== 'grammar') return format;
  const { type, syntax, definition, ...rest } = format;
  return { ...rest, type, grammar: compact({ syntax, definition }) };
}

/** A function's arguments are an object with properties, also when a client left the schema or half of it out. */
export function objectSchema(schema: Json): Json {
  if (schema.type !== undefined && schema.type !== 'object') return schema;
  return { ...schema, type: 'object', properties: readObject(schema.properties) ?? {} };
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
    kind: 'hosted',
    tool: hostedTools.find(([pattern]) => pattern.test(type))?.[1] ?? 'other',
    name: readString(tool.name) ?? type,
    allowedDomains: domains.length > 0 ? domains : undefined,
    maxUses: readNumber(tool.max_uses),
    foreign: { protocol: id, value: tool },
  });
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
  return compact({
    kind: 'tool',
    name: readString(wire.name) ?? type,
    namespace: readString(wire.namespace),
  });
}
