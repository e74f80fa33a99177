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
import type { ChatRequest, OutputFormat, Reasoning, Sampling } from '../../core/request.ts';
import type { RouteHint } from '../protocol.ts';
import { decodeInput } from './decode-input.ts';
import { decodeToolChoice, decodeTools } from './decode-tools.ts';
import { honoured, id, logprobsIncluded, sealsIncluded } from './wire.ts';

/**
 * A Responses body in the hall's words.
 * @throws GatewayError `invalid-request` naming the field.
 */
export function decodeRequest(body: Json, hint: RouteHint): ChatRequest {
  const user = userOf(body);
  return compact({
    model: hint.model,
    ...decodeInput(body),
    tools: decodeTools(readObjects(body.tools)),
    toolChoice: decodeToolChoice(body.tool_choice),
    parallelTools: readBoolean(body.parallel_tool_calls),
    sampling: decodeSampling(body),
    reasoning: decodeEffort(readObject(body.reasoning)),
    output: decodeOutput(readObject(readObject(body.text)?.format)),
    stream: hint.stream,
    user: user?.value,
    serviceTier: readString(body.service_tier),
    cacheKey: readString(body.prompt_cache_key),
    extra: { [id]: extraFields(body, user?.field) },
  });
}

/** `user` is the older name of what is now `safety_identifier`. */
function userOf(body: Json): { field: string; value: string } | undefined {
  for (const field of ['user', 'safety_identifier']) {
    const value = readString(body[field]);
    if (value !== undefined) return { field, value };
  }
  return undefined;
}

function decodeSampling(body: Json): Sampling {
  const asked = (readArray(body.include) ?? []).includes(logprobsIncluded);
  const top = readNumber(body.top_logprobs);
  return compact({
    maxTokens: readNumber(body.max_output_tokens),
    temperature: readNumber(body.temperature),
    topP: readNumber(body.top_p),
    logprobs: asked || top !== undefined ? compact({ top }) : undefined,
  });
}

function decodeEffort(wire: Json | undefined): Reasoning | undefined {
  if (!wire) return undefined;
  const reasoning: Reasoning = compact({
    effort: readString(wire.effort),
    summary: readString(wire.summary) ?? readString(wire.generate_summary),
  });
  return Object.keys(reasoning).length > 0 ? reasoning : undefined;
}

function decodeOutput(format: Json | undefined): OutputFormat | undefined {
  if (format?.type === 'json_object') return { kind: 'json' };
  if (format?.type !== 'json_schema') return undefined;
  return compact({
    kind: 'schema',
    name: readString(format.name),
    description: readString(format.description),
    schema: readObject(format.schema) ?? {},
    strict: readBoolean(format.strict),
  });
}

const named: ReadonlySet<string> = new Set(
  ['model', 'input', 'instructions', 'tools', 'tool_choice', 'parallel_tool_calls', 'max_output_tokens']
    .concat(['temperature', 'top_p', 'top_logprobs', 'stream', 'service_tier', 'prompt_cache_key', 'type'])
    .concat(['reasoning', 'text']),
);
const reasoningNamed = new Set(['effort', 'summary', 'generate_summary']);
const textNamed = new Set(['format']);

/** Always there, if empty, so that the encoder knows its own requests and adds nothing to them. Null means absent. */
function extraFields(body: Json, user: string | undefined): Json {
  const rest: Record<string, unknown> = {};
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(omit(body, named))) {
    if (value === null || name === user) continue;
    if (isHonoured(name, value)) kept[name] = value;
    else rest[name] = value;
  }
  if (user === 'safety_identifier') kept[user] = body[user];
  const inner = (name: 'reasoning' | 'text', known: ReadonlySet<string>) => {
    const fields = omit(readObject(body[name]) ?? {}, known);
    return Object.keys(fields).length > 0 ? { [name]: fields } : {};
  };
  return {
    ...rest,
    ...inner('reasoning', reasoningNamed),
    ...inner('text', textNamed),
    ...(Object.keys(kept).length > 0 ? { [honoured]: kept } : {}),
  };
}

/** Whether a field asks for what every answer here is anyway, so that no other wire loses anything by not saying it. */
function isHonoured(name: string, value: unknown): boolean {
  switch (name) {
    case 'store':
    case 'background':
      return value === false;
    case 'truncation':
      return value === 'disabled';
    case 'include':
      return (readArray(value) ?? []).every((item) => item === sealsIncluded || item === logprobsIncluded);
    case 'stream_options':
      return Object.keys(readObject(value) ?? {}).every((key) => key === 'include_obfuscation');
    default:
      return false;
  }
}
