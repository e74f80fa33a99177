import { compact, type Json, omit, readArray, readObject, readObjects, readString } from '../../core/json.ts';
import type { Drop, Target } from '../protocol.ts';
import { ownReasoning } from './codex.ts';
import { xaiIssuer } from './wire.ts';

/**
 * The dialect of xAI (spec: xai). Its tools have no namespaces and take only JSON, it lacks a few of OpenAI's hosted
 * tools, and its encrypted reasoning is its own.
 */

/** Parameters it refuses, and those of OpenAI's own clients that mean nothing to it. */
const refused: ReadonlySet<string> = new Set(
  [
    'prompt_cache_retention',
    'prompt_cache_options',
    'safety_identifier',
    'stream_options',
    'stop',
    'background',
  ]
    .concat(['generate', 'client_metadata', 'context_management', 'truncation', 'service_tier'])
    .concat(['tools', 'tool_choice', 'parallel_tool_calls', 'input', 'reasoning']),
);

const missed = ['prompt_cache_retention', 'safety_identifier', 'stop', 'context_management', 'service_tier'];

/** A body of this wire as xAI takes it. Namespaces and free-form tools must have been fitted before (see `fitsXai`). */
export function toXai(body: Json, { card, drop }: Pick<Target, 'card' | 'drop'>): Json {
  for (const field of missed) if (body[field] != null) drop(field);
  if (body.background === true) drop('background');
  const tools = readObjects(body.tools).flatMap((tool, index) => toolOf(tool, `tools[${index}]`, drop));
  return compact({
    ...omit(body, refused),
    input: inputOf(body.input, drop),
    reasoning: reasoningOf(body.reasoning, card, drop),
    ...(tools.length > 0
      ? {
          tools,
          tool_choice: choiceOf(body.tool_choice, tools),
          parallel_tool_calls: body.parallel_tool_calls,
        }
      : {}),
  });
}

/** Models whose effort cannot be chosen refuse the wish. */
function reasoningOf(reasoning: unknown, card: Target['card'], drop: Drop): unknown {
  const wish = readObject(reasoning);
  const steered = !card || card.thinking === undefined || card.thinking?.levels !== undefined;
  if (wish?.effort == null || steered) return reasoning;
  drop(`reasoning.effort: ${String(wish.effort)}`);
  const { effort: _, ...rest } = wish;
  return Object.keys(rest).length > 0 ? rest : undefined;
}

/** Whether a client's own body can be said in this dialect without renaming its tools. */
export function fitsXai(body: Json): boolean {
  const strange = new Set(['namespace', 'custom', 'custom_tool_call', 'custom_tool_call_output']);
  return (
    !readObjects(body.tools).some(({ type }) => strange.has(String(type))) &&
    !readObjects(body.input).some(
      ({ type, namespace }) => strange.has(String(type)) || namespace !== undefined,
    )
  );
}

function inputOf(input: unknown, drop: Drop): unknown {
  if (!readArray(input)) return input;
  return readObjects(input).flatMap((item) =>
    item.type === 'reasoning' ? (ownReasoning(item, xaiIssuer, drop) ?? []) : [item],
  );
}

const unknownTools = new Set([
  'tool_search',
  'image_generation',
  'computer_use_preview',
  'local_shell',
  'shell',
]);
const ownWebAccess = new Set(['external_web_access']);

function toolOf(tool: Json, path: string, drop: Drop): readonly Json[] {
  const type = readString(tool.type) ?? '';
  if (unknownTools.has(type)) {
    drop(`${path}: ${type}`);
    return [];
  }
  if (type === 'function')
    return [{ ...tool, parameters: tool.parameters ?? { type: 'object', properties: {} } }];
  return [type.startsWith('web_search') ? omit(tool, ownWebAccess) : tool];
}

/** A forced hosted tool is a choice among one; a choice of what is not offered is none. */
function choiceOf(choice: unknown, tools: readonly Json[]): unknown {
  const wanted = readObject(choice);
  if (!wanted) return choice;
  const offered = (one: Json) =>
    tools.some(({ type, name }) => type === one.type && (type !== 'function' || name === one.name));
  if (wanted.type === 'allowed_tools') {
    const left = readObjects(wanted.tools).filter(offered);
    return left.length > 0 ? { ...wanted, tools: left } : undefined;
  }
  if (!offered(wanted)) return undefined;
  if (wanted.type === 'function') return wanted;
  return { type: 'allowed_tools', mode: 'required', tools: [{ type: wanted.type }] };
}
