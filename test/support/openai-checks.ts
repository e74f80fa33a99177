import { readArray, readObject, readObjects, readString, type Json } from '../../src/core/json.ts';

/** What OpenAI would answer to a Chat Completions request it refuses, in its own words; undefined when it would serve it. */
export function openaiFault(body: Json): { message: string; param?: string; code?: string } | undefined {
  return fieldsFault(body) ?? toolsFault(body) ?? messagesFault(body) ?? outputFault(body) ?? undefined;
}

type Found = { message: string; param?: string; code?: string } | undefined;

const fields = new Set(
  (
    'messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens ' +
    'metadata modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_retention ' +
    'reasoning_effort response_format safety_identifier seed service_tier stop store stream stream_options temperature ' +
    'tool_choice tools top_logprobs top_p user verbosity web_search_options'
  ).split(' '),
);

function fieldsFault(body: Json): Found {
  const unknown = Object.keys(body).find((key) => !fields.has(key));
  if (unknown) return { message: `Unrecognized request argument supplied: ${unknown}` };
  if (!readString(body.model)) return { message: 'you must provide a model parameter' };
  if (body.max_tokens !== undefined && body.max_completion_tokens !== undefined)
    return { message: "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported." };
  if (body.stream_options !== undefined && body.stream !== true)
    return {
      message: "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
      param: 'stream_options',
    };
  const temperature = body.temperature;
  if (typeof temperature === 'number' && (temperature < 0 || temperature > 2))
    return {
      message: `Invalid 'temperature': ${temperature}. Expected a value between 0 and 2.`,
      param: 'temperature',
    };
  if ((readArray(body.stop)?.length ?? 0) > 4)
    return {
      message: "Invalid 'stop': array too long. Expected an array with maximum length 4.",
      param: 'stop',
    };
  const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'];
  if (body.reasoning_effort !== undefined && !efforts.includes(String(body.reasoning_effort)))
    return {
      message: `Unsupported value: 'reasoning_effort' does not support '${String(body.reasoning_effort)}'.`,
    };
  if (body.top_logprobs !== undefined && body.logprobs !== true)
    return { message: "You must specify 'logprobs' to use 'top_logprobs'." };
  return undefined;
}

function toolsFault(body: Json): Found {
  const tools = readArray(body.tools);
  if (tools?.length === 0)
    return { message: "Invalid 'tools': empty array. Expected an array with minimum length 1." };
  if (body.tool_choice !== undefined && !tools)
    return {
      message: "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
    };
  if (body.parallel_tool_calls !== undefined && !tools)
    return {
      message:
        "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
    };
  for (const [index, tool] of readObjects(tools).entries()) {
    const fault = toolFault(tool, `tools[${index}]`);
    if (fault) return fault;
  }
  return choiceFault(body.tool_choice, readObjects(tools));
}

function toolFault(tool: Json, path: string): Found {
  if (tool.type === 'custom') return undefined;
  if (tool.type !== 'function')
    return {
      message: `Invalid value: '${String(tool.type)}'. Supported values are: 'function' and 'custom'.`,
      param: `${path}.type`,
    };
  const unknown = Object.keys(tool).find((key) => key !== 'type' && key !== 'function');
  if (unknown) return { message: `Unknown parameter: '${path}.${unknown}'.`, param: `${path}.${unknown}` };
  const definition = readObject(tool.function);
  const name = readString(definition?.name) ?? '';
  if (!/^[a-zA-Z0-9_-]{1,64}$/.test(name))
    return { message: `Invalid '${path}.function.name': string does not match pattern '^[a-zA-Z0-9_-]+$'.` };
  if (definition?.parameters === undefined) return undefined;
  const schema = readObject(definition.parameters);
  if (schema?.type !== 'object')
    return {
      message: `Invalid schema for function '${name}': schema must be a JSON Schema of 'type: "object"', got 'type: "${String(schema?.type ?? 'None')}"'.`,
      code: 'invalid_function_parameters',
    };
  if (!readObject(schema.properties))
    return {
      message: `Invalid schema for function '${name}': In context=(), object schema missing properties.`,
      code: 'invalid_function_parameters',
    };
  return undefined;
}

function choiceFault(choice: unknown, tools: readonly Json[]): Found {
  if (choice === undefined || ['none', 'auto', 'required'].includes(choice as string)) return undefined;
  const object = readObject(choice);
  if (object?.type === 'allowed_tools') return undefined;
  const name = readString(readObject(object?.function)?.name ?? readObject(object?.custom)?.name);
  const known = tools.some((tool) => (readObject(tool.function) ?? readObject(tool.custom))?.name === name);
  if ((object?.type === 'function' || object?.type === 'custom') && known) return undefined;
  if (object?.type === 'function')
    return {
      message: `Tool choice 'function' with name '${name ?? ''}' not found in 'tools' parameter.`,
      param: 'tool_choice',
    };
  return {
    message: `Invalid value: ${JSON.stringify(choice)}. Supported values are: 'none', 'auto', and 'required'.`,
    param: 'tool_choice',
  };
}

const roles = ['system', 'developer', 'user', 'assistant', 'tool', 'function'];

function messagesFault(body: Json): Found {
  const messages = readArray(body.messages);
  if (!messages?.length)
    return { message: "Invalid 'messages': empty array. Expected an array with minimum length 1." };
  let open: string[] = [];
  for (const [index, message] of readObjects(messages).entries()) {
    const path = `messages[${index}]`;
    const fault = messageFault(message, path);
    if (fault) return fault;
    if (message.role === 'tool') {
      if (!open.includes(String(message.tool_call_id)))
        return {
          message: `Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.`,
          param: path,
        };
      open = open.filter((id) => id !== message.tool_call_id);
      continue;
    }
    if (open.length > 0) return unanswered(open);
    open = readObjects(message.tool_calls).map((call) => String(call.id));
  }
  return open.length > 0 ? unanswered(open) : undefined;
}

const unanswered = (ids: readonly string[]): Found => ({
  message:
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. " +
    `The following tool_call_ids did not have response messages: ${ids.join(', ')}`,
});

/** `parsed` is what OpenAI's own SDK leaves in a message; `reasoning_content` is what thinking vendors of this wire want back. */
const messageFields: Readonly<Record<string, readonly string[]>> = {
  assistant: [
    'role',
    'content',
    'refusal',
    'name',
    'audio',
    'tool_calls',
    'function_call',
    'annotations',
    'parsed',
    'reasoning_content',
  ],
  tool: ['role', 'content', 'tool_call_id'],
  function: ['role', 'content', 'name'],
};

function messageFault(message: Json, path: string): Found {
  const role = String(message.role);
  if (!roles.includes(role))
    return {
      message: `Invalid value: '${role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.`,
      param: `${path}.role`,
      code: 'invalid_value',
    };
  const known = messageFields[role] ?? ['role', 'content', 'name'];
  const unknown = Object.keys(message).find((key) => !known.includes(key));
  if (unknown) return { message: `Unknown parameter: '${path}.${unknown}'.`, param: `${path}.${unknown}` };
  const calls = readArray(message.tool_calls);
  if (calls?.length === 0)
    return { message: `Invalid '${path}.tool_calls': empty array. Expected an array with minimum length 1.` };
  if (message.content == null && (role !== 'assistant' || (!calls && message.refusal == null)))
    return { message: `Invalid value for 'content': expected a string, got null.`, param: `${path}.content` };
  for (const [index, call] of readObjects(calls).entries()) {
    const fault = callFault(call, `${path}.tool_calls[${index}]`);
    if (fault) return fault;
  }
  for (const [index, part] of readObjects(message.content).entries()) {
    const fault = partFault(part, role, `${path}.content[${index}]`);
    if (fault) return fault;
  }
  return undefined;
}

function callFault(call: Json, path: string): Found {
  if (!readString(call.id)) return { message: `Missing required parameter: '${path}.id'.` };
  if (call.type === 'custom') return undefined;
  if (call.type !== 'function') return { message: `Missing required parameter: '${path}.type'.` };
  const called = readObject(call.function);
  if (typeof called?.arguments !== 'string')
    return {
      message: `Invalid type for '${path}.function.arguments': expected a string, but got an object instead.`,
      param: `${path}.function.arguments`,
      code: 'invalid_type',
    };
  return undefined;
}

const partFields: Readonly<Record<string, readonly string[]>> = {
  text: ['type', 'text'],
  image_url: ['type', 'image_url'],
  input_audio: ['type', 'input_audio'],
  file: ['type', 'file'],
  refusal: ['type', 'refusal'],
};

function partFault(part: Json, role: string, path: string): Found {
  const allowed =
    role === 'user'
      ? ['text', 'image_url', 'input_audio', 'file']
      : role === 'assistant'
        ? ['text', 'refusal']
        : ['text'];
  const type = String(part.type);
  if (!allowed.includes(type))
    return {
      message: `Invalid value: '${type}'. Supported values are: ${allowed.map((name) => `'${name}'`).join(', ')}.`,
      param: `${path}.type`,
      code: 'invalid_value',
    };
  const unknown = Object.keys(part).find((key) => !partFields[type]?.includes(key));
  if (unknown) return { message: `Unknown parameter: '${path}.${unknown}'.`, param: `${path}.${unknown}` };
  const url = readString(part.image_url) ?? readString(readObject(part.image_url)?.url);
  if (type === 'image_url' && !/^(https?:\/\/|data:image\/[a-z+]+;base64,[A-Za-z0-9+/=]+$)/.test(url ?? ''))
    return {
      message: 'Invalid image URL. Expected a base64-encoded data URL or an http(s) URL.',
      code: 'invalid_image_url',
    };
  return undefined;
}

function outputFault(body: Json): Found {
  const format = readObject(body.response_format);
  if (format?.type === 'json_object' && !/json/i.test(JSON.stringify(body.messages)))
    return {
      message:
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
    };
  if (format?.type !== 'json_schema') return undefined;
  const schema = readObject(format.json_schema);
  if (!/^[a-zA-Z0-9_-]{1,64}$/.test(readString(schema?.name) ?? ''))
    return { message: "Missing required parameter: 'response_format.json_schema.name'." };
  return undefined;
}
