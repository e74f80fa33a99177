import { compact, type Json, readArray, readObject, readObjects, readString } from '../../core/json.ts';
import type { HostedTool, Tool, ToolChoice } from '../../core/request.ts';
import { spelling } from '../foreign.ts';
import { decodeSchema } from './decode-schema.ts';
import { camel, field, id } from './wire.ts';

/** Every entry of `tools` is a bag: function declarations and hosted tools side by side. */
export function decodeTools(tools: readonly Json[]): readonly Tool[] {
  return tools.flatMap((wire) => {
    const bag = camel(wire);
    const functions = readObjects(bag.functionDeclarations).map(decodeFunction);
    const hosted = Object.keys(bag)
      .filter((name) => name !== 'functionDeclarations')
      .map((name) => decodeHosted(name, bag[name]));
    return [...functions, ...hosted];
  });
}

function decodeFunction(wire: Json): Tool {
  const declaration = camel(wire);
  const { name, description, parameters, parametersJsonSchema, ...rest } = declaration;
  const dialect = readObject(parameters);
  const schema = readObject(parametersJsonSchema) ?? (dialect ? decodeSchema(dialect) : {});
  return compact({
    kind: 'function' as const,
    name: readString(name) ?? '',
    description: readString(description),
    schema: { type: 'object', properties: {}, ...schema },
    extra: { [id]: { [spelling]: declaration, ...rest } },
  }) as Tool;
}

const hostedTools: Readonly<Record<string, HostedTool>> = {
  googleSearch: 'web-search',
  googleSearchRetrieval: 'web-search',
  enterpriseWebSearch: 'web-search',
  urlContext: 'web-fetch',
  codeExecution: 'code-execution',
  fileSearch: 'file-search',
  mcpServers: 'mcp',
};

function decodeHosted(name: string, value: unknown): Tool {
  const excluded = readArray(field(readObject(value) ?? {}, 'excludeDomains')) ?? [];
  const blocked = excluded.filter((item): item is string => typeof item === 'string');
  return {
    kind: 'hosted',
    tool: hostedTools[name] ?? 'other',
    name,
    ...(blocked.length > 0 ? { blockedDomains: blocked } : {}),
    foreign: { protocol: id, value: { [name]: value } },
  };
}

/** `functionCallingConfig` as a choice. VALIDATED is AUTO with checked arguments. */
export function decodeToolChoice(wire: Json | undefined): ToolChoice | undefined {
  if (!wire) return undefined;
  const config = camel(wire);
  const names = (readArray(config.allowedFunctionNames) ?? []).filter(
    (name): name is string => typeof name === 'string',
  );
  const mode = readString(config.mode)?.toUpperCase();
  if (mode === 'NONE') return { kind: 'none' };
  if (mode !== 'ANY') return names.length > 0 ? { kind: 'subset', names, required: false } : { kind: 'auto' };
  if (names.length === 0) return { kind: 'required' };
  return names.length === 1 ? { kind: 'tool', name: names[0]! } : { kind: 'subset', names, required: true };
}
