import { compact, type Json, readObject } from '../../core/json.ts';
import type { ChatRequest } from '../../core/request.ts';
import { dropForeign, spelling } from '../foreign.ts';
import type { Drop, Target } from '../protocol.ts';
import { encodeConfig } from './encode-config.ts';
import { encodeContents } from './encode-contents.ts';
import { encodeSpoken } from './encode-part.ts';
import { encodeToolConfig, encodeTools } from './encode-tools.ts';
import { fitTogether } from './fit-together.ts';
import { id, vertex } from './wire.ts';

/** A request as a GenerateContent body. The model's name stands in the path, so it is not in here. */
export function encodeRequest(given: ChatRequest, target: Target): Json {
  reportLosses(given, target.drop);
  const request = fitTogether(given, target);
  const { generationConfig, toolConfig, [spelling]: spelled, ...rest } = request.extra[id] ?? {};
  const system = request.system.flatMap((part) => encodeSpoken(part, target));
  const tools = encodeTools(request, target);
  return compact({
    ...rest,
    contents: encodeContents(request, target),
    systemInstruction: system.length > 0 ? { parts: system } : undefined,
    tools,
    toolConfig: encodeToolConfig(request, readObject(toolConfig), target),
    generationConfig: encodeConfig(request, target, {
      ...readObject(spelled),
      ...readObject(generationConfig),
    }),
    serviceTier: encodeTier(request.serviceTier, target),
  });
}

function reportLosses(request: ChatRequest, drop: Drop): void {
  dropForeign(request.extra, id, '', drop, silent);
  if (request.user !== undefined) drop('user');
  if (request.cacheKey !== undefined) drop('prompt_cache_key');
  if (request.parallelTools === false) drop('parallel_tool_calls');
  const marked = [
    ...request.system,
    ...request.messages.flatMap((message) => message.parts),
    ...request.tools,
  ];
  if (marked.some((item) => item.cache)) drop('cache_control');
}

/** Fields that say how the answer is to be spelled, which the client's own side of its protocol honours. */
const silent = new Set(['stream_options', 'store', 'include']);

/** The tiers of the Gemini API; the name of none is its usual one. Vertex sells its tiers otherwise. */
const tiers: Readonly<Record<string, string>> = {
  default: 'standard',
  standard_only: 'standard',
  flex: 'flex',
  priority: 'priority',
};

function encodeTier(tier: string | undefined, { dialect, drop }: Target): string | undefined {
  if (tier === undefined || tier === 'auto') return undefined;
  const name = dialect === vertex ? undefined : tiers[tier];
  if (name === undefined) drop(`service_tier: ${tier}`);
  return name;
}
