import type { ChatRequest } from '../../core/request.ts';
import { spelling } from '../foreign.ts';
import type { Target } from '../protocol.ts';
import { generationOf, id } from './wire.ts';

/**
 * Resolves what older Gemini models refuse to do together: hosted tools beside functions, and structured output beside
 * tools of any kind (documented to work from Gemini 3 on). Models of unknown names are taken to be new.
 */
export function fitTogether(request: ChatRequest, target: Target): ChatRequest {
  if ((generationOf(target.model) ?? Infinity) >= 3) return request;
  return withoutFormat(withoutHosted(request, target), target);
}

/** "Tool use with function calling is unsupported": the functions are the client's own, so the hosted tools go. */
function withoutHosted(request: ChatRequest, { drop }: Target): ChatRequest {
  const functions = request.tools.filter((tool) => tool.kind !== 'hosted');
  if (functions.length === 0 || functions.length === request.tools.length) return request;
  for (const tool of request.tools)
    if (tool.kind === 'hosted') drop(`tools.${tool.name}: this model has no hosted tools beside functions`);
  return { ...request, tools: functions };
}

/**
 * "Function calling with a response mime type: 'application/json' is unsupported": the format becomes an instruction.
 * A format in Gemini's own words stays, for its client to hear what Gemini says of it.
 */
function withoutFormat({ output, ...request }: ChatRequest, { drop }: Target): ChatRequest {
  if (!output) return request;
  const own = request.extra[id]?.[spelling] !== undefined;
  if (own || request.tools.length === 0) return { ...request, output };
  drop('response_format: told as an instruction, because this model has no structured output beside tools');
  const schema =
    output.kind === 'schema' ? ` that fits this JSON Schema: ${JSON.stringify(output.schema)}` : '';
  const text = `When you answer with text instead of calling a tool, answer with nothing but JSON${schema}.`;
  return { ...request, system: [...request.system, { kind: 'text', text }] };
}
