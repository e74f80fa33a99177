import { compact, type Json, omit, readObject, readString } from '../../core/json.ts';
import type { ChatRequest, HostedTool, HostedToolSpec, OutputFormat, Tool } from '../../core/request.ts';
import { dropForeign } from '../foreign.ts';
import type { Drop } from '../protocol.ts';
import { objectSchema } from './decode-tools.ts';
import { id, spaceFields } from './wire.ts';

/** Tools as Responses lists them; those of one namespace stand together where its first one stood. */
export function encodeTools(tools: readonly Tool[], drop: Drop): readonly Json[] | undefined {
  const out: Json[] = [];
  const spaces = new Map<string, Json[]>();
  for (const [index, tool] of tools.entries()) {
    const wire = encodeTool(tool, `tools[${index}]`, drop);
    if (!wire) continue;
    if (tool.namespace === undefined) out.push(wire);
    else spaceOf(tool, tool.namespace, spaces, out).push(wire);
  }
  return out.length > 0 ? out : undefined;
}

function spaceOf(tool: Tool, name: string, spaces: Map<string, Json[]>, out: Json[]): Json[] {
  const known = spaces.get(name);
  if (known) return known;
  const tools: Json[] = [];
  spaces.set(name, tools);
  out.push({ type: 'namespace', name, ...spaceFields(tool), tools });
  return tools;
}

function encodeTool(tool: Tool, path: string, drop: Drop): Json | undefined {
  dropForeign(tool.extra, id, path, drop);
  if (tool.kind === 'hosted') return encodeHosted(tool, path, drop);
  const native = tool.extra?.[id];
  const common = { name: tool.name, description: tool.description };
  if (tool.kind === 'custom')
    return compact({ type: 'custom', ...common, format: encodeFormat(tool.format), ...native });
  if (native)
    return compact({ type: 'function', ...common, parameters: tool.schema, strict: tool.strict, ...native });
  // This wire's own default is strict, which forbids most schemas that others write.
  const parameters = objectSchema(omit(tool.schema, metaFields));
  return compact({ type: 'function', ...common, parameters, strict: tool.strict ?? false });
}

/** Undoes `decodeFormat`. */
function encodeFormat(format: Json | undefined): Json | undefined {
  const { grammar, ...rest } = format ?? {};
  return format && { ...rest, ...readObject(grammar) };
}

const metaFields = new Set(['$schema']);

function encodeHosted(tool: HostedToolSpec, path: string, drop: Drop): Json | undefined {
  if (tool.foreign.protocol === id) return readObject(tool.foreign.value);
  const type = hostedTypes[tool.tool];
  if (type === undefined) {
    drop(`${path}: ${tool.name}`);
    return undefined;
  }
  if (tool.maxUses !== undefined) drop(`${path}.max_uses`);
  if (tool.blockedDomains) drop(`${path}.blocked_domains`);
  if (tool.tool === 'code-execution') return { type, container: { type: 'auto' } };
  const domains = tool.tool === 'web-search' ? tool.allowedDomains : undefined;
  return compact({ type, filters: domains ? { allowed_domains: domains } : undefined });
}

/** Hosted tools of other vendors that have their like here. A search of files or an MCP server cannot move house. */
const hostedTypes: Readonly<Partial<Record<HostedTool, string>>> = {
  'web-search': 'web_search',
  'code-execution': 'code_interpreter',
  'image-generation': 'image_generation',
};

/** A choice names its tool by what the tool is. Without tools there is nothing to choose from, and OpenAI says so. */
export function encodeToolChoice({ toolChoice, tools }: Pick<ChatRequest, 'toolChoice' | 'tools'>): unknown {
  if (!toolChoice) return undefined;
  const reference = (name: string, namespace?: string): Json => {
    const tool =
      tools.find((each) => each.name === name && each.namespace === namespace) ??
      tools.find((each) => each.name === name);
    if (tool?.kind === 'hosted') return { type: hostedType(tool) };
    return compact({
      type: tool?.kind === 'custom' ? 'custom' : 'function',
      name,
      namespace: namespace ?? tool?.namespace,
    });
  };
  switch (toolChoice.kind) {
    case 'tool':
      return reference(toolChoice.name, toolChoice.namespace);
    case 'subset':
      return {
        type: 'allowed_tools',
        mode: toolChoice.required ? 'required' : 'auto',
        tools: toolChoice.names.map((name) => reference(name)),
      };
    default:
      return toolChoice.kind;
  }
}

function hostedType({ foreign, tool }: HostedToolSpec): string {
  const own = foreign.protocol === id ? readString(readObject(foreign.value)?.type) : undefined;
  return own ?? hostedTypes[tool] ?? 'web_search';
}

/** `text`: the format of the output, and what else the client said of it. */
export function encodeText(output: OutputFormat | undefined, own: Json | undefined): Json | undefined {
  const text = compact({ ...own, format: formatOf(output) });
  return Object.keys(text).length > 0 ? text : undefined;
}

function formatOf(output: OutputFormat | undefined): Json | undefined {
  if (!output) return undefined;
  if (output.kind === 'json') return { type: 'json_object' };
  const { name = 'response', description, schema, strict } = output;
  return compact({
    type: 'json_schema',
    name: name.replaceAll(/[^\w-]/g, '_').slice(0, 64),
    description,
    schema,
    strict,
  });
}
