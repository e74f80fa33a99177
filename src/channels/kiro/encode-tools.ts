import type { Json } from '../../core/json.ts';
import type { ChatRequest, FunctionTool, ToolChoice } from '../../core/request.ts';
import type { Drop } from '../../protocols/protocol.ts';
import { encodeSchema } from './encode-schema.ts';

/** The tools of a request, and what must be said in words because the wire has no field for it. */
export interface EncodedTools {
  readonly tools: readonly Json[];
  readonly instructions: readonly string[];
}

/**
 * The tools that may be called. The wire has no tool choice, so that is asked for in words and reported; tools that only
 * the history names are defined as well, because the service refuses calls of tools it does not know.
 */
export function encodeTools(request: ChatRequest, drop: Drop): EncodedTools {
  const offered = offeredTools(request, drop);
  const names = new Set(offered.map(({ name }) => name));
  const called = request.messages.flatMap(({ parts }) =>
    parts.flatMap((part) => (part.kind === 'tool-call' ? [part.name] : [])),
  );
  const former = [...new Set(called)].filter((name) => !names.has(name)).map(formerTool);
  return {
    tools: [...offered.map((tool, index) => specification(tool, index, drop)), ...former],
    instructions: names.size > 0 || former.length > 0 ? instructionsOf(request, drop) : [],
  };
}

function offeredTools({ tools, toolChoice }: ChatRequest, drop: Drop): readonly FunctionTool[] {
  const functions: FunctionTool[] = [];
  for (const [index, tool] of tools.entries()) {
    if (tool.kind === 'function') functions.push(tool);
    else drop(`tools[${index}]: ${tool.kind === 'hosted' ? tool.tool : tool.name}`);
    if (tool.kind === 'function' && tool.strict) drop(`tools[${index}].strict`);
  }
  if (toolChoice?.kind === 'none') return [];
  if (toolChoice?.kind !== 'subset') return functions;
  return functions.filter(({ name }) => toolChoice.names.includes(name));
}

/** The longest description that the service takes, in bytes. */
const longestDescription = 10_237;

function specification({ name, description, schema }: FunctionTool, index: number, drop: Drop): Json {
  const text = description?.trim() || `The tool ${name}.`;
  const bytes = Buffer.from(text);
  const closed = () => drop(`tools[${index}]: additionalProperties`);
  if (bytes.length > longestDescription)
    drop(`tools[${index}].description: cut to ${longestDescription} bytes`);
  return {
    toolSpecification: {
      name,
      description: cutBytes(bytes),
      inputSchema: { json: encodeSchema(schema, closed) },
    },
  };
}

/** A text of at most so many bytes, never ending in half a character. */
function cutBytes(bytes: Buffer): string {
  if (bytes.length <= longestDescription) return bytes.toString('utf8');
  let end = longestDescription;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

const formerTool = (name: string): Json => ({
  toolSpecification: {
    name,
    description: 'A tool of an earlier turn; it is no longer available.',
    inputSchema: { json: { type: 'object', properties: {} } },
  },
});

function instructionsOf({ toolChoice, parallelTools }: ChatRequest, drop: Drop): readonly string[] {
  const wish = toolChoice && sentenceOf(toolChoice);
  if (wish !== undefined) drop('tool_choice: asked for in words');
  if (parallelTools === false) drop('parallel_tool_calls: asked for in words');
  return [
    ...(wish === undefined ? [] : [wish]),
    ...(parallelTools === false ? ['Call at most one tool in this turn.'] : []),
  ];
}

function sentenceOf(choice: ToolChoice): string | undefined {
  switch (choice.kind) {
    case 'none':
      return 'Do not call any tool in this turn; answer in words.';
    case 'required':
      return 'You must call at least one of the tools in this turn.';
    case 'tool':
      return `You must call the tool "${choice.name}" in this turn.`;
    case 'subset':
      return choice.required ? 'You must call at least one of the tools in this turn.' : undefined;
    default:
      return undefined;
  }
}
