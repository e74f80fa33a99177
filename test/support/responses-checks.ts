import {
  readArray,
  readNumber,
  readObject,
  readObjects,
  readString,
  type Json,
} from '../../src/core/json.ts';

/** A refusal in OpenAI's words. */
export interface Fault {
  readonly message: string;
  readonly param?: string;
  readonly code?: string;
}

type Found = Fault | undefined;

/** Whether the server can read a reasoning item's token, and if not, why. */
export type Verify = (token: string, itemId: string | undefined) => string | undefined;

/**
 * What OpenAI would answer to a Responses request it refuses, in its own words; undefined when it would serve it.
 * What ChatGPT's backend refuses beyond that is in `codexFault`.
 */
export function responsesFault(body: Json, verify: Verify): Found {
  return fieldsFault(body) ?? toolsFault(body) ?? inputFault(body, verify) ?? outputFault(body);
}

const fields = new Set(
  (
    'model input instructions tools tool_choice parallel_tool_calls max_output_tokens max_tool_calls temperature top_p ' +
    'top_logprobs reasoning text include store stream stream_options metadata user safety_identifier service_tier ' +
    'prompt_cache_key prompt_cache_retention prompt_cache_options truncation background previous_response_id conversation ' +
    'prompt context_management moderation client_metadata'
  ).split(' '),
);

const codexFields = new Set(
  (
    'model input instructions tools tool_choice parallel_tool_calls reasoning text include store stream stream_options ' +
    'service_tier prompt_cache_key client_metadata'
  ).split(' '),
);

/** What ChatGPT's backend answers as `{detail}`. */
export function codexFault(body: Json): string | undefined {
  const unknown = Object.keys(body).find((key) => !codexFields.has(key));
  if (unknown) return `Unsupported parameter: ${unknown}`;
  if (typeof body.instructions !== 'string') return 'Instructions are required';
  if (body.store !== false) return 'Store must be set to false';
  if (body.stream !== true) return 'Stream must be set to true';
  if (!readArray(body.input)) return 'Input must be a list';
  if (readObjects(body.input).some((item) => item.role === 'system'))
    return 'System messages are not allowed';
  const include = readArray(body.include) ?? [];
  return include.every((item) => item === 'reasoning.encrypted_content') ? undefined : 'Unsupported include';
}

function fieldsFault(body: Json): Found {
  const unknown = Object.keys(body).find((key) => !fields.has(key));
  if (unknown)
    return { message: `Unknown parameter: '${unknown}'.`, param: unknown, code: 'unknown_parameter' };
  if (!readString(body.model))
    return {
      message: "Missing required parameter: 'model'.",
      param: 'model',
      code: 'missing_required_parameter',
    };
  const limit = readNumber(body.max_output_tokens);
  if (limit !== undefined && limit < 16)
    return {
      message: `Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got ${limit} instead.`,
      param: 'max_output_tokens',
      code: 'integer_below_min_value',
    };
  const reasons = !String(body.model).startsWith('gpt-4');
  if (!reasons && readArray(body.include)?.includes('reasoning.encrypted_content'))
    return { message: 'Encrypted content is not supported with this model.', param: 'include' };
  if (!reasons && body.reasoning !== undefined)
    return {
      message: "Unsupported parameter: 'reasoning' is not supported with this model.",
      param: 'reasoning',
    };
  const summary = readObject(body.reasoning)?.summary;
  if (summary !== undefined && !['auto', 'concise', 'detailed'].includes(String(summary)))
    return {
      message: `Invalid value: '${String(summary)}'.`,
      param: 'reasoning.summary',
      code: 'invalid_value',
    };
  for (const name of ['prompt_cache_key', 'safety_identifier'])
    if ((readString(body[name])?.length ?? 0) > 64)
      return {
        message: `Invalid '${name}': string too long. Expected a string with maximum length 64.`,
        param: name,
      };
  return undefined;
}

// -------------------------------------------------------------------------------------------------------------- tools

const plainName = /^[a-zA-Z0-9_-]{1,64}$/;

function toolsFault(body: Json): Found {
  const tools = readObjects(body.tools);
  for (const [index, tool] of tools.entries()) {
    const fault = toolFault(tool, `tools[${index}]`);
    if (fault) return fault;
  }
  const choice = body.tool_choice;
  if (choice === undefined || choice === 'auto' || choice === 'none') return undefined;
  if (tools.length === 0)
    return {
      message: "Tool choice 'required' must be specified with 'tools' parameter.",
      param: 'tool_choice',
    };
  const wanted = readObject(choice);
  if (!wanted || wanted.type === 'allowed_tools') return undefined;
  const inner = tools.flatMap((tool) => (tool.type === 'namespace' ? readObjects(tool.tools) : [tool]));
  const known = inner.some(
    (tool) => tool.type === wanted.type && (wanted.name === undefined || tool.name === wanted.name),
  );
  return known
    ? undefined
    : {
        message: `Tool choice '${JSON.stringify(wanted)}' not found in 'tools' parameter.`,
        param: 'tool_choice',
      };
}

function toolFault(tool: Json, path: string): Found {
  if (tool.type === 'namespace') {
    for (const [index, inner] of readObjects(tool.tools).entries()) {
      const fault = toolFault(inner, `${path}.tools[${index}]`);
      if (fault) return fault;
    }
    return undefined;
  }
  if (tool.type !== 'function') return undefined;
  const name = readString(tool.name) ?? '';
  if (!plainName.test(name))
    return {
      message: `Invalid '${path}.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.`,
      param: `${path}.name`,
    };
  const schema = readObject(tool.parameters);
  const bad = (why: string): Fault => ({
    message: `Invalid schema for function '${name}': In context=(), ${why}.`,
    param: `${path}.parameters`,
    code: 'invalid_function_parameters',
  });
  if (schema && schema.type !== 'object') return bad(`schema must be of type "object"`);
  if (schema && !readObject(schema.properties)) return bad('object schema missing properties');
  if (tool.strict === true && schema?.additionalProperties !== false)
    return bad("'additionalProperties' is required to be supplied and to be false");
  return undefined;
}

// -------------------------------------------------------------------------------------------------------------- input

function inputFault(body: Json, verify: Verify): Found {
  if (typeof body.input === 'string') return undefined;
  const items = readArray(body.input);
  if (!items) return { message: "Missing required parameter: 'input'.", param: 'input' };
  const ids = new Set<string>();
  for (const [index, item] of readObjects(items).entries()) {
    const fault = itemFault(item, `input[${index}]`, verify) ?? idFault(item, `input[${index}].id`, ids);
    if (fault) return fault;
  }
  const continued = body.previous_response_id != null || body.conversation != null;
  return continued ? undefined : pairingFault(readObjects(items));
}

const prefixes: Readonly<Record<string, string>> = {
  message: 'msg',
  reasoning: 'rs',
  function_call: 'fc',
  custom_tool_call: 'ctc',
  web_search_call: 'ws',
  image_generation_call: 'ig',
};

function idFault(item: Json, param: string, ids: Set<string>): Found {
  const id = readString(item.id);
  if (id === undefined) return undefined;
  const prefix = prefixes[readString(item.type) ?? 'message'];
  if (prefix && !id.startsWith(`${prefix}_`))
    return {
      message: `Invalid '${param}': '${id}'. Expected an ID that begins with '${prefix}'.`,
      param,
      code: 'invalid_value',
    };
  if (id.length > 64)
    return {
      message: `Invalid '${param}': string too long. Expected a string with maximum length 64, but got a string with length ${id.length} instead.`,
      param,
    };
  if (ids.has(id))
    return {
      message: `Duplicate item found with id ${id}. Remove duplicate items from your input and try again.`,
      param: 'input',
    };
  ids.add(id);
  return undefined;
}

const itemFields: Readonly<Record<string, string>> = {
  message: 'id type role content status phase',
  reasoning: 'id type summary content encrypted_content status',
  function_call: 'id type call_id name arguments status namespace caller',
  function_call_output: 'id type call_id output status caller name namespace',
  custom_tool_call: 'id type call_id name input status namespace caller',
  custom_tool_call_output: 'id type call_id output status caller',
};

function itemFault(item: Json, path: string, verify: Verify): Found {
  const type = readString(item.type) ?? 'message';
  const known = itemFields[type]?.split(' ');
  const unknown =
    known && Object.keys(item).find((key) => !known.includes(key) && !key.startsWith('internal_'));
  if (unknown)
    return {
      message: `Unknown parameter: '${path}.${unknown}'.`,
      param: `${path}.${unknown}`,
      code: 'unknown_parameter',
    };
  if (type === 'message') return messageFault(item, path);
  if (type === 'reasoning') return reasoningFault(item, path, verify);
  if (!/^(function|custom_tool)_call/.test(type)) return undefined;
  const callId = readString(item.call_id);
  if (!callId) return { message: `Missing required parameter: '${path}.call_id'.`, param: `${path}.call_id` };
  if (callId.length > 64)
    return {
      message: `Invalid '${path}.call_id': string too long. Expected a string with maximum length 64.`,
      param: `${path}.call_id`,
    };
  if (type === 'function_call' && typeof item.arguments !== 'string')
    return {
      message: `Invalid type for '${path}.arguments': expected a string.`,
      param: `${path}.arguments`,
    };
  if (type.endsWith('_output')) return contentFault(item.output, inputParts, `${path}.output`);
  return undefined;
}

function reasoningFault(item: Json, path: string, verify: Verify): Found {
  if (!readArray(item.summary))
    return { message: `Missing required parameter: '${path}.summary'.`, param: `${path}.summary` };
  const token = readString(item.encrypted_content);
  if (token === undefined) {
    const id = readString(item.id) ?? '';
    return {
      message: `Item with id '${id}' not found. Items are not persisted when \`store\` is set to false.`,
      param: 'input',
    };
  }
  const why = verify(token, readString(item.id));
  return why === undefined
    ? undefined
    : {
        message: `The encrypted content ${token.slice(0, 8)}... could not be verified. Reason: ${why}`,
        code: 'invalid_encrypted_content',
      };
}

const inputParts: Readonly<Record<string, string>> = {
  input_text: 'type text prompt_cache_breakpoint',
  input_image: 'type image_url file_id detail prompt_cache_breakpoint',
  input_file: 'type file_data file_id file_url filename detail prompt_cache_breakpoint',
};
const outputParts: Readonly<Record<string, string>> = {
  output_text: 'type text annotations logprobs',
  refusal: 'type refusal',
};

function messageFault(item: Json, path: string): Found {
  const role = String(item.role);
  if (!['user', 'assistant', 'system', 'developer'].includes(role))
    return {
      message: `Invalid value: '${role}'. Supported values are: 'assistant', 'system', 'developer', and 'user'.`,
      param: `${path}.role`,
    };
  return contentFault(item.content, role === 'assistant' ? outputParts : inputParts, `${path}.content`);
}

function contentFault(content: unknown, allowed: Readonly<Record<string, string>>, path: string): Found {
  if (typeof content === 'string') return undefined;
  const parts = readArray(content);
  if (!parts) return { message: `Invalid type for '${path}': expected an array or a string.`, param: path };
  for (const [index, part] of readObjects(parts).entries()) {
    const known = allowed[String(part.type)]?.split(' ');
    const here = `${path}[${index}]`;
    if (!known)
      return {
        message: `Invalid value: '${String(part.type)}'. Supported values are: ${Object.keys(allowed)
          .map((name) => `'${name}'`)
          .join(', ')}.`,
        param: here,
        code: 'invalid_value',
      };
    const unknown = Object.keys(part).find((key) => !known.includes(key));
    if (unknown)
      return {
        message: `Unknown parameter: '${here}.${unknown}'.`,
        param: `${here}.${unknown}`,
        code: 'unknown_parameter',
      };
    const url = readString(part.image_url);
    if (url !== undefined && !/^(https?:\/\/|data:image\/[a-z+]+;base64,[A-Za-z0-9+/=]+$)/.test(url))
      return {
        message: `Invalid '${here}.image_url'. Expected a valid URL, but got a value with an invalid format.`,
        param: here,
        code: 'invalid_image_url',
      };
  }
  return undefined;
}

/** Every result has its call before it, and every call its one result after it. */
function pairingFault(items: readonly Json[]): Found {
  const open = new Set<string>();
  for (const { type, call_id: callId } of items) {
    const id = String(callId);
    if (type === 'function_call' || type === 'custom_tool_call') open.add(id);
    if (type !== 'function_call_output' && type !== 'custom_tool_call_output') continue;
    if (!open.delete(id))
      return { message: `No tool call found for function call output with call_id ${id}.`, param: 'input' };
  }
  const [left] = open;
  return left === undefined
    ? undefined
    : { message: `No tool output found for function call ${left}.`, param: 'input' };
}

function outputFault(body: Json): Found {
  const format = readObject(readObject(body.text)?.format);
  if (format?.type === 'json_object' && !/json/i.test(JSON.stringify(body.input)))
    return {
      message:
        "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.",
      param: 'input',
    };
  if (format?.type === 'json_schema' && !plainName.test(readString(format.name) ?? ''))
    return { message: "Missing required parameter: 'text.format.name'.", param: 'text.format.name' };
  return undefined;
}
