import { compact, type Json, readObject, readString } from '../../core/json.ts';
import type { ChatRequest, OutputFormat, Tool } from '../../core/request.ts';
import type { Drop } from '../protocol.ts';
import { id } from './wire.ts';

/** Tools as Responses lists them; those of one namespace stand together where its first one stood. */
export function encodeTools(tools: readonly Tool[], drop: Drop): readonly Json[] | undefined {
  const out: Json[] = [];
  const spaces = new Map<string, Json[]>();
  for (const tool of tools) {
    const wire = encodeTool(tool, drop);
    if (!wire) continue;
    if (tool.namespace === undefined) out.push(wire);
    else spaceOf(tool.namespace, spaces, out).push(wire);
  }
  return out.length > 0 ? out : undefined;
}

function spaceOf(name: string, spaces: Map<string, Json[]>, out: Json[]): Json[] {
  const known = spaces.get(name);
  if (known) return known;
  const tools: Json[] = [];
  spaces.set(name, tools);
  out.push({ type: 'namespace', name, tools });
  return tools;
}

function encodeTool(tool: Tool, drop: Drop): Json | undefined {
  const native = readObject(tool.extra?.[id]);
  const common = { name: tool.name, description: tool.description };
  if (tool.kind === 'function')
    return compact({
      type: 'function',
      ...common,
      parameters: tool.schema,
      strict: tool.strict ?? (native ? undefined : false),
      ...native,
    });
  if (tool.kind === 'custom') return compact({ type: 'custom', ...common, format: tool.format, ...native });
  return encodeHosted(tool, drop);
}

function encodeHosted(tool: Extract<Tool, { kind: 'hosted' }>, drop: Drop): Json | undefined {
  if (tool.foreign.protocol === id) return readObject(tool.foreign.value);
  if (tool.maxUses !== undefined) drop(`tools.${tool.name}.max_uses`);
  switch (tool.tool) {
    case 'web-search':
      if (tool.blockedDomains) drop(`tools.${tool.name}.blocked_domains`);
      return compact({
        type: 'web_search',
        filters: tool.allowedDomains ? { allowed_domains: tool.allowedDomains } : undefined,
      });
    case 'code-execution':
      return { type: 'code_interpreter', container: { type: 'auto' } };
    case 'image-generation':
      return { type: 'image_generation' };
    default:
      drop(`tools.${tool.name}`);
      return undefined;
  }
}

export function encodeToolChoice({ toolChoice, tools }: Pick<ChatRequest, 'toolChoice' | 'tools'>): unknown {
  if (!toolChoice) return undefined;
  const reference = (name: string, namespace?: string): Json => {
    const tool =
      tools.find((each) => each.name === name && each.namespace === namespace) ??
      tools.find((each) => each.name === name);
    if (tool?.kind === 'hosted') return { type: hostedType(tool) };
    return compact({ type: tool?.kind === 'custom' ? 'custom' : 'function', name, namespace });
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

const hostedType = (tool: Extract<Tool, { kind: 'hosted' }>) =>
  (tool.foreign.protocol === id ? readString(readObject(tool.foreign.value)?.type) : undefined) ??
  'web_search';

/** `text`: the format of the output, and what else the client said of it. */
export function encodeText(output: OutputFormat | undefined, own: Json | undefined): Json | undefined {
  const text = compact({ ...own, format: formatOf(output) });
  return Object.keys(text).length > 0 ? text : undefined;
}

function formatOf(output: OutputFormat | undefined): Json | undefined {
  if (!output) return undefined;
  if (output.kind === 'json') return { type: 'json_object' };
  const { name = 'response', description, schema, strict } = output;
  return compact({ type: 'json_schema', name, description, schema, strict });
}
