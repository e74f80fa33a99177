import {
  readArray,
  readNumber,
  readObject,
  readObjects,
  readString,
  type Json,
} from '../../src/core/json.ts';
import { declarationsFault, geminiSchemaFault } from './gemini-schema.ts';

/** A model's generation, by its name: `gemini-3-sim` is of the third. */
export const generationIn = (model: string): number => Number(/gemini-(\d+)/.exec(model)?.[1] ?? 0);

/**
 * What Google would answer to a GenerateContent request it refuses, in its own words; undefined when it would serve it.
 * @param sign makes the signature of a call, by its name and arguments, or of a text.
 */
export function geminiFault(body: Json, model: string, sign: (what: string) => string): string | undefined {
  const request = camelKeys(body);
  return (
    fieldsFault(request, fields, '') ??
    toolsFault(request, model) ??
    configFault(request, model) ??
    contentsFault(request, model, sign)
  );
}

const fields =
  'contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent serviceTier store labels model';

/** Proto JSON reads both spellings, and takes null for absent. */
export const camelKeys = (object: Json): Json =>
  Object.fromEntries(
    Object.entries(object)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [
        key.replace(/(?<=.)_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
        value,
      ]),
  );

function fieldsFault(object: Json, known: string, path: string): string | undefined {
  const names = known.split(' ');
  const unknown = Object.keys(object).find((key) => !names.includes(key));
  if (unknown === undefined) return undefined;
  return `Invalid JSON payload received. Unknown name "${unknown}"${path ? ` at '${path}'` : ''}: Cannot find field.`;
}

// ------------------------------------------------------------------------------------------------------------ tools

const hosted =
  'googleSearch googleSearchRetrieval codeExecution urlContext fileSearch computerUse googleMaps mcpServers';

function toolsFault(request: Json, model: string): string | undefined {
  const tools = readObjects(request.tools).map(camelKeys);
  for (const [index, tool] of tools.entries()) {
    const fault = fieldsFault(tool, `functionDeclarations ${hosted}`, `tools[${index}]`);
    if (fault) return fault;
    for (const declaration of readObjects(tool.functionDeclarations).map(camelKeys)) {
      const unknown = fieldsFault(
        declaration,
        'name description behavior parameters parametersJsonSchema response responseJsonSchema',
        `tools[${index}].function_declarations`,
      );
      if (unknown) return unknown;
    }
  }
  const fault = declarationsFault(tools.filter((tool) => !ownWords(tool)));
  if (fault) return `* GenerateContentRequest.${fault}`;
  const names = tools.flatMap((tool) => readObjects(tool.functionDeclarations).map(({ name }) => name));
  if (new Set(names).size < names.length) return 'Duplicate function declaration found.';
  const mixed = names.length > 0 && tools.some((tool) => hosted.split(' ').some((name) => name in tool));
  if (mixed && generationIn(model) < 3) return 'Tool use with function calling is unsupported';
  const toolConfig = camelKeys(readObject(request.toolConfig) ?? {});
  if (mixed && generationIn(model) >= 3 && toolConfig.includeServerSideToolInvocations !== true)
    return 'Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling.';
  return choiceFault(toolConfig, names);
}

/** A client's own lower-case types are understood; the strict reading is for what a gateway writes. */
const ownWords = (tool: Json): boolean => /"type":"[a-z]/.test(JSON.stringify(tool));

function choiceFault(toolConfig: Json, names: readonly unknown[]): string | undefined {
  const unknown = fieldsFault(
    toolConfig,
    'functionCallingConfig retrievalConfig includeServerSideToolInvocations',
    'tool_config',
  );
  if (unknown) return unknown;
  const calling = readObject(toolConfig.functionCallingConfig);
  if (!calling) return undefined;
  const { mode, allowedFunctionNames } = camelKeys(calling);
  if (!['AUTO', 'ANY', 'NONE', 'VALIDATED'].includes(String(mode)))
    return `Invalid value at 'tool_config.function_calling_config.mode' (Mode), "${String(mode)}"`;
  if (names.length === 0) return 'Function calling config is set without function_declarations.';
  const allowed = readArray(allowedFunctionNames) ?? [];
  if (allowed.length > 0 && mode !== 'ANY' && mode !== 'VALIDATED')
    return 'Allowed function names should be set only when function calling mode is ANY.';
  if (allowed.some((name) => !names.includes(name))) return 'Allowed function names are not all declared.';
  return undefined;
}

// ---------------------------------------------------------------------------------------------------------- config

const configFields =
  'maxOutputTokens temperature topP topK stopSequences seed presencePenalty frequencyPenalty candidateCount ' +
  'responseLogprobs logprobs responseMimeType responseSchema responseJsonSchema _responseJsonSchema responseModalities ' +
  'thinkingConfig imageConfig speechConfig mediaResolution enableEnhancedCivicAnswers';

function configFault(request: Json, model: string): string | undefined {
  const config = camelKeys(readObject(request.generationConfig) ?? {});
  const unknown = fieldsFault(config, configFields, 'generation_config');
  if (unknown) return unknown;
  if ((readArray(config.stopSequences)?.length ?? 0) > 5)
    return 'The number of stop sequences must be 5 or fewer.';
  if (Number(config.temperature ?? 0) > 2 || Number(config.temperature ?? 0) < 0)
    return 'The value of temperature must be in the range [0.0, 2.0].';
  const seed = readNumber(config.seed);
  if (seed !== undefined && seed !== Math.trunc(seed % 2 ** 31))
    return "Invalid value at 'generation_config.seed' (TYPE_INT32)";
  if (config.maxOutputTokens !== undefined && !(Number(config.maxOutputTokens) >= 1))
    return 'max_output_tokens must be positive.';
  const declares = readObjects(request.tools).some(
    (tool) => tool.functionDeclarations ?? tool.function_declarations,
  );
  if (config.responseMimeType === 'application/json' && declares && generationIn(model) < 3)
    return "Function calling with a response mime type: 'application/json' is unsupported";
  const schema = readObject(config.responseSchema);
  if (schema && config.responseMimeType !== 'application/json')
    return 'Response schema is only supported with response mime type: application/json';
  if (schema && !ownWords(schema)) {
    const fault = geminiSchemaFault(schema, 'generation_config.response_schema');
    if (fault) return fault;
  }
  return thinkingFault(camelKeys(readObject(config.thinkingConfig) ?? {}), generationIn(model));
}

function thinkingFault(config: Json, generation: number): string | undefined {
  const unknown = fieldsFault(
    config,
    'includeThoughts thinkingBudget thinkingLevel',
    'generation_config.thinking_config',
  );
  if (unknown) return unknown;
  const { thinkingBudget, thinkingLevel } = config;
  if (thinkingBudget !== undefined && thinkingLevel !== undefined)
    return 'You can only set only one of thinking budget and thinking level.';
  if (thinkingLevel !== undefined && generation < 3) return 'Thinking level is not supported for this model.';
  if (
    thinkingLevel !== undefined &&
    !['MINIMAL', 'LOW', 'MEDIUM', 'HIGH'].includes(String(thinkingLevel).toUpperCase())
  )
    return `Invalid value at 'generation_config.thinking_config.thinking_level', "${String(thinkingLevel)}"`;
  if (thinkingBudget === 0 && generation >= 3)
    return 'Budget 0 is invalid. This model only works in thinking mode.';
  return undefined;
}

// --------------------------------------------------------------------------------------------------------- contents

const partFields =
  'text thought thoughtSignature inlineData fileData functionCall functionResponse executableCode codeExecutionResult ' +
  'videoMetadata mediaResolution toolCall toolResponse partMetadata';
const dataFields =
  'text inlineData fileData functionCall functionResponse executableCode codeExecutionResult toolCall toolResponse';

function contentsFault(request: Json, model: string, sign: (what: string) => string): string | undefined {
  const contents = readObjects(request.contents).map(camelKeys);
  if (contents.length === 0) return '* GenerateContentRequest.contents: contents is not specified';
  for (const [index, content] of contents.entries()) {
    const role = content.role ?? 'user';
    if (role !== 'user' && role !== 'model') return 'Please use a valid role: user, model.';
    const fault = partsFault(content, `contents[${index}]`);
    if (fault) return fault;
  }
  if (contents[0]!.role === 'model') return 'Please ensure that multiturn requests begin with a user role.';
  const system = readObject(request.systemInstruction);
  return (
    (system && partsFault(system, 'system_instruction')) ??
    turnsFault(contents) ??
    signatureFault(contents, model, sign)
  );
}

const partsOf = (content: Json): readonly Json[] => readObjects(content.parts).map(camelKeys);

function partsFault(content: Json, path: string): string | undefined {
  const parts = partsOf(content);
  if (parts.length === 0) return `* GenerateContentRequest.${path}.parts: contents.parts must not be empty.`;
  for (const [index, part] of parts.entries()) {
    const at = `${path}.parts[${index}]`;
    const unknown = fieldsFault(part, partFields, at);
    if (unknown) return unknown;
    const data = dataFields.split(' ').filter((name) => part[name] !== undefined);
    if (data.length !== 1)
      return `* GenerateContentRequest.${at}.data: required oneof field 'data' must have one initialized field`;
    const fault = dataFault(part, at);
    if (fault) return fault;
  }
  return undefined;
}

function dataFault(part: Json, at: string): string | undefined {
  const inline = readObject(part.inlineData);
  if (inline) {
    const { mimeType, data, ...rest } = camelKeys(inline);
    const unknown = fieldsFault(rest, '', `${at}.inline_data`);
    if (unknown) return unknown;
    if (!readString(mimeType)?.includes('/')) return `${at}.inline_data.mime_type: must be set`;
    if (!/^[A-Za-z0-9+/_-]+=*$/.test(String(data)))
      return `Invalid value at '${at}.inline_data.data' (TYPE_BYTES)`;
  }
  const file = readObject(part.fileData);
  if (file && !readString(camelKeys(file).fileUri)) return `${at}.file_data.file_uri: must be set`;
  const call = readObject(part.functionCall);
  if (call && (!readString(call.name) || (call.args !== undefined && !readObject(call.args))))
    return `Invalid value at '${at}.function_call'`;
  const response = readObject(part.functionResponse);
  if (response && !readString(response.name))
    return `* GenerateContentRequest.${at}.function_response.name: Name cannot be empty.`;
  if (response && !readObject(response.response))
    return `Invalid value at '${at}.function_response.response' (type.googleapis.com/google.protobuf.Struct)`;
  return undefined;
}

/** Calls come after the user's turn, and are all answered in the turn after theirs. Turns of one role in a row are one. */
function turnsFault(contents: readonly Json[]): string | undefined {
  let open: readonly Json[] = [];
  let before: unknown;
  for (const turn of turnsOf(contents)) {
    const calls = turn.parts.filter((part) => part.functionCall);
    const results = turn.parts.filter((part) => part.functionResponse);
    if (turn.role === 'model') {
      if (results.length > 0 || (calls.length > 0 && before !== 'user'))
        return 'Please ensure that function call turn comes immediately after a user turn or after a function response turn.';
      open = calls;
    } else {
      if (results.length !== open.length)
        return 'Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.';
      const names = (parts: readonly Json[], field: string) =>
        parts.map((part) => readObject(part[field])?.name);
      if (names(results, 'functionResponse').join() !== names(open, 'functionCall').join())
        return 'Function responses must be in the order of their calls.';
      open = [];
    }
    before = turn.role;
  }
  return open.length > 0
    ? 'Please ensure that function response turn comes immediately after a function call turn.'
    : undefined;
}

interface Turn {
  readonly role: string;
  readonly parts: Json[];
}

function turnsOf(contents: readonly Json[]): readonly Turn[] {
  const turns: Turn[] = [];
  for (const content of contents) {
    const role = content.role === 'model' ? 'model' : 'user';
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...partsOf(content));
    else turns.push({ role, parts: [...partsOf(content)] });
  }
  return turns;
}

/** From the third generation on the first call of a turn is signed, by this very server or by the documented word. */
function signatureFault(
  contents: readonly Json[],
  model: string,
  sign: (what: string) => string,
): string | undefined {
  const turns = turnsOf(contents);
  for (const [index, { role, parts }] of turns.entries()) {
    if (role !== 'model') continue;
    const calls = parts.filter((part) => part.functionCall);
    for (const [place, part] of calls.entries()) {
      const { name, args } = readObject(part.functionCall) ?? {};
      const signature = part.thoughtSignature;
      const missing = signature === undefined && place === 0 && generationIn(model) >= 3;
      if (missing)
        return `Function call is missing a thought_signature in functionCall parts. Function Call, \`${String(name)}\`, position ${index}.`;
      const good =
        signature === undefined ||
        signature === skip ||
        signature === sign(`${String(name)} ${JSON.stringify(args ?? {})}`);
      if (!good) return 'Thought signature is not valid.';
    }
    for (const part of parts)
      if (
        typeof part.text === 'string' &&
        part.thoughtSignature !== undefined &&
        part.thoughtSignature !== sign('text')
      )
        return 'Thought signature is not valid.';
  }
  return undefined;
}

const skip = 'skip_thought_signature_validator';
