import { GatewayError } from '../../core/error.ts';
import { compact, type Json, readArray, readObject, readObjects, readString } from '../../core/json.ts';
import type { ChatRequest, Message, Part } from '../../core/request.ts';
import { spelling } from '../foreign.ts';
import type { RouteHint } from '../protocol.ts';
import { decodeOutput, decodeReasoning, decodeSampling, extraOf } from './decode-config.ts';
import { decodeCall, decodePart, decodeResponse, sealOf } from './decode-part.ts';
import { decodeToolChoice, decodeTools } from './decode-tools.ts';
import { joinThoughts } from './join-thoughts.ts';
import { camel, field, id, objectField } from './wire.ts';

/** A GenerateContent body in the hall's words. Camel and snake case are read alike. */
export function decodeRequest(body: Json, hint: RouteHint): ChatRequest {
  // CountTokens takes bare contents, or a whole request in a field of its own.
  const counted = hint.kind === 'count-tokens' ? objectField(body, 'generateContentRequest') : undefined;
  return decodeContentRequest(counted ?? body, hint);
}

function decodeContentRequest(body: Json, hint: RouteHint): ChatRequest {
  const config = camel(objectField(body, 'generationConfig') ?? {});
  const toolConfig = camel(objectField(body, 'toolConfig') ?? {});
  return compact({
    model: hint.model,
    system: systemOf(body),
    messages: joinThoughts(decodeContents(contentsOf(body))),
    tools: decodeTools(readObjects(readObject(body.tools) ? [body.tools] : body.tools)),
    toolChoice: decodeToolChoice(objectField(toolConfig, 'functionCallingConfig')),
    sampling: decodeSampling(config),
    reasoning: decodeReasoning(camel(objectField(config, 'thinkingConfig') ?? {})),
    output: decodeOutput(config),
    stream: hint.stream,
    serviceTier: tierOf(readString(field(body, 'serviceTier'))),
    extra: extraOf(body, config, toolConfig),
  }) as ChatRequest;
}

/** Google's tiers under the names that the others use. */
function tierOf(tier: string | undefined): string | undefined {
  if (tier === undefined || tier.toLowerCase() === 'unspecified') return undefined;
  return tier.toLowerCase() === 'standard' ? 'default' : tier.toLowerCase();
}

// --------------------------------------------------------------------------------------------------------- contents

/** The one field every request needs. A bare string or object is what some clients send. */
function contentsOf(body: Json): readonly Json[] {
  const { contents } = body;
  const text = readString(contents);
  if (text !== undefined) return [{ role: 'user', parts: [{ text }] }];
  const list = readArray(contents) ?? (readObject(contents) ? [contents] : undefined);
  if (!list) throw invalid('contents', 'must be an array of {role, parts}');
  if (list.length === 0) throw invalid('contents', 'must not be empty');
  return list.map((content, index) => {
    const object =
      readObject(content) ?? (typeof content === 'string' ? { parts: [{ text: content }] } : undefined);
    if (!object) throw invalid(`contents[${index}]`, 'must be an object with role and parts');
    const { parts } = object;
    if (parts !== undefined && parts !== null && !readArray(parts) && !readObject(parts))
      throw invalid(`contents[${index}].parts`, 'must be an array of parts');
    return object;
  });
}

function invalid(path: string, why: string): GatewayError {
  return new GatewayError({ kind: 'invalid-request', field: path }, `${path} ${why}.`, {
    remedy: 'Compare the body with the GenerateContent reference, or with the example in /openapi.json.',
  });
}

function systemOf(body: Json): readonly Part[] {
  const system = field(body, 'systemInstruction');
  const text = readString(system);
  if (text !== undefined) return [{ kind: 'text', text }];
  return partsOf(readObject(system) ?? {}).map(decodePart);
}

/** The parts of a content; one alone may stand without its array. */
function partsOf(content: Json): readonly Json[] {
  const single = readObject(content.parts);
  return single ? [single] : readObjects(content.parts);
}

/** A call that waits for its result. Gemini pairs them by place and name where it gives no id. */
interface OpenCall {
  readonly callId: string;
  readonly name: string;
}

function decodeContents(contents: readonly Json[]): readonly Message[] {
  const open: OpenCall[] = [];
  const taken = new Set(contents.flatMap(partsOf).map(callIdOf));
  let made = 0;

  function freshId(): string {
    let callId: string;
    do callId = `call_${++made}`;
    while (taken.has(callId));
    return callId;
  }

  function onPart(part: Json): Part {
    const call = objectField(part, 'functionCall');
    if (call) return onCall(call, part);
    const result = objectField(part, 'functionResponse');
    if (result) return onResult(result);
    const said = decodePart(part);
    // A thought that its client got here and sends back unsigned may return to Gemini; that of another may not.
    return said.kind === 'reasoning' && !said.seal ? { ...said, extra: { [id]: {}, ...said.extra } } : said;
  }

  function onCall(call: Json, part: Json): Part {
    const { callId = freshId(), name, args } = decodeCall(call);
    open.push({ callId, name });
    const seal = sealOf(part);
    return { kind: 'tool-call', callId, name, args, ...(seal ? { seal } : {}) };
  }

  function onResult(result: Json): Part {
    const { id: said, name: named, response, parts, ...rest } = result;
    const name = readString(named) ?? '';
    const given = readString(said) || undefined;
    const byId = open.findIndex((call) => call.callId === given);
    const place = byId >= 0 ? byId : open.findIndex((call) => call.name === name);
    const [call] = place < 0 ? [] : open.splice(place, 1);
    return {
      kind: 'tool-result',
      callId: call?.callId ?? given ?? freshId(),
      name: call?.name ?? name,
      ...decodeResponse(result),
      extra: { [id]: { [spelling]: compact({ response, parts }), ...rest } },
    };
  }

  return contents.map((content): Message => ({
    role: roles[String(content.role)] ?? 'user',
    parts: partsOf(content).map(onPart),
  }));
}

/** Whoever is neither the model nor the system is the user: `function` and `tool` are what old clients call results. */
const roles: Readonly<Record<string, Message['role']>> = { model: 'assistant', system: 'system' };

const callIdOf = (part: Json): string | undefined =>
  readString((objectField(part, 'functionCall') ?? objectField(part, 'functionResponse'))?.id);
