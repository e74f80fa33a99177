import {
  readArray,
  readNumber,
  readObject,
  readObjects,
  readString,
  type Json,
} from '../../src/core/json.ts';

/** Whether a thinking block's signature is the vendor's own. */
type Verify = (thinking: string, signature: string) => boolean;

/** What Anthropic would answer to a Messages request it refuses, in its own words; undefined when it would serve it. */
export function anthropicFault(body: Json, verify: Verify, counting = false): string | undefined {
  return (
    fieldsFault(body, counting) ??
    thinkingFault(body) ??
    toolsFault(body) ??
    cacheFault(body) ??
    messagesFault(body, verify)
  );
}

const fields = new Set(
  (
    'model messages system max_tokens metadata stop_sequences stream temperature top_k top_p tools tool_choice thinking ' +
    'service_tier container context_management mcp_servers output_config output_format cache_control inference_geo speed'
  ).split(' '),
);

function fieldsFault(body: Json, counting: boolean): string | undefined {
  const unknown = Object.keys(body).find((key) => !fields.has(key));
  if (unknown) return `${unknown}: Extra inputs are not permitted`;
  if (!readString(body.model)) return 'model: Field required';
  if (!counting && body.max_tokens === undefined) return 'max_tokens: Field required';
  if (!counting && !(Number(body.max_tokens) >= 1))
    return 'max_tokens: Input should be greater than or equal to 1';
  const temperature = readNumber(body.temperature);
  if (temperature !== undefined && (temperature < 0 || temperature > 1)) return 'temperature: range: 0..1';
  if (readArray(body.stop_sequences)?.some((stop) => !String(stop).trim()))
    return 'stop_sequences: each stop sequence must contain non-whitespace';
  if (readObjects(body.system).some((block) => !readString(block.text)?.trim()))
    return 'system: text content blocks must be non-empty';
  return undefined;
}

function thinkingFault(body: Json): string | undefined {
  const thinking = readObject(body.thinking);
  if (!thinking || thinking.type === 'disabled') return undefined;
  const budget = readNumber(thinking.budget_tokens);
  if (thinking.type === 'enabled') {
    if (budget === undefined) return 'thinking.enabled.budget_tokens: Field required';
    if (budget < 1024) return 'thinking.enabled.budget_tokens: Input should be greater than or equal to 1024';
    if (budget >= Number(body.max_tokens))
      return '`max_tokens` must be greater than `thinking.budget_tokens`.';
  } else if (thinking.type !== 'adaptive')
    return `thinking: Input tag '${String(thinking.type)}' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'`;
  if (body.temperature !== undefined && body.temperature !== 1)
    return '`temperature` may only be set to 1 when thinking is enabled.';
  if (body.top_k !== undefined) return '`top_k` must be unset when thinking is enabled.';
  const choice = readObject(body.tool_choice)?.type;
  if (choice === 'any' || choice === 'tool')
    return 'Thinking may not be enabled when tool_choice forces tool use.';
  return undefined;
}

function toolsFault(body: Json): string | undefined {
  const tools = readObjects(body.tools);
  for (const [index, tool] of tools.entries()) {
    if (tool.type !== undefined && tool.type !== 'custom') continue;
    if (!/^[a-zA-Z0-9_-]{1,128}$/.test(readString(tool.name) ?? ''))
      return `tools.${index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`;
    if (readObject(tool.input_schema)?.type !== 'object')
      return `tools.${index}.custom.input_schema.type: Field required`;
  }
  const names = tools.map((tool) => tool.name);
  if (new Set(names).size < names.length) return 'tools: Tool names must be unique.';
  const choice = readObject(body.tool_choice);
  if (body.tool_choice !== undefined && !['auto', 'any', 'tool', 'none'].includes(String(choice?.type)))
    return "tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'";
  if (choice && choice.type !== 'none' && tools.length === 0)
    return 'tool_choice: tool_choice may only be specified while providing tools.';
  if (choice?.type === 'tool' && !names.includes(choice.name))
    return `Tool '${String(choice.name)}' not found in provided tools`;
  return undefined;
}

function cacheFault(body: Json): string | undefined {
  const marks = JSON.stringify(body).match(/"cache_control":\{/g)?.length ?? 0;
  return marks > 4 ? `A maximum of 4 blocks with cache_control may be provided. Found ${marks}.` : undefined;
}

function messagesFault(body: Json, verify: Verify): string | undefined {
  const messages = readObjects(body.messages);
  if (messages.length === 0) return 'messages: at least one message is required';
  let before: Json | undefined;
  for (const [index, message] of messages.entries()) {
    const last = index === messages.length - 1;
    const fault =
      messageFault(message, before, `messages.${index}`, last, verify) ??
      thoughtFault(body, message, index, messages);
    if (fault) return fault;
    before = message;
  }
  const calls = blocksOf(before).filter((block) => block.type === 'tool_use');
  return calls.length > 0 ? unanswered(messages.length - 1, calls) : undefined;
}

const blocksOf = (message: Json | undefined): readonly Json[] =>
  typeof message?.content === 'string'
    ? [{ type: 'text', text: message.content }]
    : readObjects(message?.content);

function messageFault(
  message: Json,
  before: Json | undefined,
  path: string,
  last: boolean,
  verify: Verify,
): string | undefined {
  const { role } = message;
  if (role !== 'user' && role !== 'assistant')
    return `messages: Unexpected role "${String(role)}". The Messages API accepts a top-level \`system\` parameter, not "system" as an input message role.`;
  if (!before && role !== 'user') return 'messages: first message must use the "user" role';
  if (before?.role === role)
    return `messages: roles must alternate between "user" and "assistant", but found multiple "${String(role)}" roles in a row`;
  const blocks = blocksOf(message);
  if (blocks.length === 0 && !(last && role === 'assistant'))
    return `${path}: all messages must have non-empty content except for the optional final assistant message`;
  for (const [index, block] of blocks.entries()) {
    const fault = blockFault(block, role, `${path}.content.${index}`, verify);
    if (fault) return fault;
  }
  const ending = readString(blocks.at(-1)?.text);
  if (last && role === 'assistant' && ending !== undefined && ending.trimEnd() !== ending)
    return 'messages: final assistant content cannot end with trailing whitespace';
  return pairFault(blocks, blocksOf(before), path);
}

/** Results stand directly after their calls, all of them, and before anything else. */
function pairFault(blocks: readonly Json[], before: readonly Json[], path: string): string | undefined {
  const calls = before.filter((block) => block.type === 'tool_use').map((block) => block.id);
  const results = blocks.filter((block) => block.type === 'tool_result').map((block) => block.tool_use_id);
  const stray = results.find((id) => !calls.includes(id));
  if (stray !== undefined)
    return `${path}.content.0: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${String(stray)}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`;
  if (new Set(results).size < results.length)
    return `${path}: each tool_use must have a single result. Found multiple \`tool_result\` blocks.`;
  const missing = before.filter((block) => block.type === 'tool_use' && !results.includes(block.id));
  if (missing.length > 0) return unanswered(Number(path.split('.')[1]) - 1, missing);
  const first = blocks.findIndex((block) => block.type !== 'tool_result');
  if (results.length > 0 && first >= 0 && first < results.length)
    return unanswered(
      Number(path.split('.')[1]) - 1,
      before.filter((block) => block.type === 'tool_use'),
    );
  return undefined;
}

const unanswered = (index: number, calls: readonly Json[]): string =>
  `messages.${index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${calls.map((call) => String(call.id)).join(', ')}. ` +
  'Each `tool_use` block must have a corresponding `tool_result` block in the next message.';

const speakers: Readonly<Record<string, 'user' | 'assistant' | 'both'>> = {
  text: 'both',
  image: 'user',
  document: 'user',
  search_result: 'user',
  tool_result: 'user',
  tool_use: 'assistant',
  thinking: 'assistant',
  redacted_thinking: 'assistant',
  server_tool_use: 'assistant',
  container_upload: 'user',
};

const blockFields: Readonly<Record<string, readonly string[]>> = {
  text: ['type', 'text', 'cache_control', 'citations'],
  image: ['type', 'source', 'cache_control'],
  tool_use: ['type', 'id', 'name', 'input', 'cache_control', 'caller'],
  tool_result: ['type', 'tool_use_id', 'content', 'is_error', 'cache_control'],
  thinking: ['type', 'thinking', 'signature'],
  redacted_thinking: ['type', 'data'],
};

function blockFault(block: Json, role: string, path: string, verify: Verify): string | undefined {
  const type = String(block.type);
  const speaker = speakers[type] ?? (/_tool_result$|^mcp_/.test(type) ? 'assistant' : undefined);
  if (!speaker)
    return `${path}: Input tag '${type}' found using 'type' does not match any of the expected tags`;
  if (speaker !== 'both' && speaker !== role)
    return `${path}: \`${type}\` blocks can only be in \`${speaker}\` messages`;
  const unknown = Object.keys(block).find((key) => blockFields[type] && !blockFields[type].includes(key));
  if (unknown) return `${path}.${type}.${unknown}: Extra inputs are not permitted`;
  if (type === 'text' && !readString(block.text)) return 'messages: text content blocks must be non-empty';
  if (type === 'text' && !readString(block.text)?.trim())
    return 'messages: text content blocks must contain non-whitespace text';
  if (type === 'image') return imageFault(readObject(block.source), path);
  if (type === 'tool_use') return useFault(block, path);
  if (type === 'tool_result')
    return readObjects(block.content)
      .map((part, index) =>
        part.type === 'text' || part.type === 'image'
          ? blockFault(part, 'user', `${path}.content.${index}`, verify)
          : undefined,
      )
      .find(Boolean);
  if (type === 'thinking' && !verify(readString(block.thinking) ?? '', readString(block.signature) ?? ''))
    return `${path}: Invalid \`signature\` in \`thinking\` block`;
  if (type === 'redacted_thinking' && !verify('', readString(block.data) ?? ''))
    return `${path}: Invalid \`data\` in \`redacted_thinking\` block`;
  return undefined;
}

function useFault(block: Json, path: string): string | undefined {
  if (!/^[a-zA-Z0-9_-]+$/.test(readString(block.id) ?? ''))
    return `${path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'`;
  if (!readObject(block.input)) return `${path}.tool_use.input: Input should be a valid dictionary`;
  return undefined;
}

function imageFault(source: Json | undefined, path: string): string | undefined {
  if (source?.type === 'url')
    return /^https?:/.test(String(source.url))
      ? undefined
      : `${path}.image.source.url: Only HTTPS URLs are supported.`;
  if (source?.type === 'file') return undefined;
  if (source?.type !== 'base64')
    return `${path}.image.source: Input tag '${String(source?.type)}' found using 'type' does not match any of the expected tags`;
  if (!/^image\/(jpeg|png|gif|webp)$/.test(String(source.media_type)))
    return `${path}.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'`;
  if (!/^[A-Za-z0-9+/]+=*$/.test(String(source.data)))
    return `${path}.image.source.base64: invalid base64 data`;
  return undefined;
}

/** With thinking on, a last assistant turn that calls tools starts with its thoughts. */
function thoughtFault(
  body: Json,
  message: Json,
  index: number,
  messages: readonly Json[],
): string | undefined {
  const thinking = readObject(body.thinking)?.type;
  if (thinking !== 'enabled' || message.role !== 'assistant') return undefined;
  if (index !== messages.findLastIndex(({ role }) => role === 'assistant')) return undefined;
  const blocks = blocksOf(message);
  if (!blocks.some((block) => block.type === 'tool_use')) return undefined;
  const first = String(blocks[0]?.type);
  if (first === 'thinking' || first === 'redacted_thinking') return undefined;
  return `messages.${index}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${first}\`. When \`thinking\` is enabled, a final \`assistant\` message must start with a thinking block (preceeding the lastmost set of \`tool_use\` and \`tool_result\` blocks).`;
}
