import { type TSchema, Type } from '@sinclair/typebox';

/**
 * The fields of Chat Completions bodies that this program reads. They document the routes; other fields are welcome and
 * go to OpenAI-compatible upstreams as they are.
 */
const open = { additionalProperties: true };
const object = (properties: Record<string, TSchema>, description?: string) =>
  Type.Object(properties, description === undefined ? open : { ...open, description });
const either = (...schemas: TSchema[]) => Type.Union(schemas);
const words = (...names: string[]) => Type.Union(names.map((name) => Type.Literal(name)));
const maybe = (schema: TSchema) => Type.Optional(schema);
const text = (description: string) => Type.String({ description });

const cacheControl = object(
  { type: Type.Literal('ephemeral'), ttl: maybe(words('5m', '1h')) },
  'Extension: the prompt up to here may be cached, where the upstream can.',
);

const part = object(
  {
    type: text('text, image_url, input_audio, file, refusal, video_url.'),
    text: maybe(Type.String()),
    image_url: maybe(
      object({ url: text('An http(s) URL or a data: URL.'), detail: maybe(words('auto', 'low', 'high')) }),
    ),
    input_audio: maybe(object({ data: text('Base64.'), format: text('wav, mp3 and others.') })),
    file: maybe(
      object({
        filename: maybe(Type.String()),
        file_data: maybe(text('A data: URL or base64.')),
        file_id: maybe(Type.String()),
      }),
    ),
    cache_control: maybe(cacheControl),
  },
  'A part of a message’s content.',
);

const toolCall = object({
  id: Type.String(),
  type: words('function', 'custom'),
  function: maybe(object({ name: Type.String(), arguments: text('JSON, as text.') })),
  custom: maybe(object({ name: Type.String(), input: Type.String() })),
});

const message = object({
  role: words('system', 'developer', 'user', 'assistant', 'tool', 'function'),
  content: maybe(either(Type.String(), Type.Array(part), Type.Null())),
  name: maybe(Type.String()),
  tool_calls: maybe(Type.Array(toolCall)),
  tool_call_id: maybe(text('Of the call that a message of role `tool` answers.')),
  refusal: maybe(either(Type.String(), Type.Null())),
  reasoning_content: maybe(text('Extension: thoughts of an earlier turn.')),
  reasoning_details: maybe(
    Type.Array(object({}), { description: 'Extension: sealed thoughts, as an answer gave them.' }),
  ),
  cache_control: maybe(cacheControl),
});

const schema = object({}, 'A JSON Schema.');

const tool = object({
  type: text('function or custom.'),
  function: maybe(
    object({
      name: Type.String(),
      description: maybe(Type.String()),
      parameters: maybe(schema),
      strict: maybe(either(Type.Boolean(), Type.Null())),
    }),
  ),
  custom: maybe(
    object({ name: Type.String(), description: maybe(Type.String()), format: maybe(object({})) }),
  ),
  cache_control: maybe(cacheControl),
});

const toolChoice = either(
  words('auto', 'none', 'required'),
  object(
    { type: text('function, custom or allowed_tools.') },
    'With `function: {name}`, `custom: {name}` or `allowed_tools: {mode, tools}`.',
  ),
);

const sampling = {
  temperature: maybe(Type.Number()),
  top_p: maybe(Type.Number()),
  stop: maybe(either(Type.String(), Type.Array(Type.String()))),
  seed: maybe(Type.Integer()),
  presence_penalty: maybe(Type.Number()),
  frequency_penalty: maybe(Type.Number()),
  n: maybe(Type.Integer({ minimum: 1 })),
  stream: maybe(Type.Boolean()),
  stream_options: maybe(
    object({
      include_usage: maybe(Type.Boolean({ description: 'A last chunk tells the token counts.' })),
    }),
  ),
  user: maybe(Type.String()),
};

/** The body of `POST /v1/chat/completions`. */
export const chatRequest = object({
  model: text('A model of GET /v1/models; `name(high)` or `name(8192)` sets its thinking.'),
  messages: Type.Array(message, { minItems: 1 }),
  ...sampling,
  tools: maybe(Type.Array(tool)),
  tool_choice: maybe(toolChoice),
  parallel_tool_calls: maybe(Type.Boolean()),
  max_completion_tokens: maybe(Type.Integer({ minimum: 1 })),
  max_tokens: maybe(Type.Integer({ minimum: 1, description: 'The older name of max_completion_tokens.' })),
  reasoning_effort: maybe(text('none, minimal, low, medium, high, xhigh, max.')),
  reasoning: maybe(
    object(
      { effort: maybe(Type.String()), max_tokens: maybe(Type.Integer()), exclude: maybe(Type.Boolean()) },
      'Extension of OpenRouter.',
    ),
  ),
  response_format: maybe(
    object({
      type: words('text', 'json_object', 'json_schema'),
      json_schema: maybe(
        object({ name: Type.String(), schema: maybe(schema), strict: maybe(Type.Boolean()) }),
      ),
    }),
  ),
  logprobs: maybe(Type.Boolean()),
  top_logprobs: maybe(Type.Integer({ minimum: 0, maximum: 20 })),
  service_tier: maybe(words('auto', 'default', 'flex', 'priority')),
  prompt_cache_key: maybe(Type.String()),
  web_search_options: maybe(object({})),
});

const usage = object({
  prompt_tokens: Type.Integer(),
  completion_tokens: Type.Integer(),
  total_tokens: Type.Integer(),
  prompt_tokens_details: maybe(object({ cached_tokens: Type.Integer() })),
  completion_tokens_details: maybe(object({ reasoning_tokens: Type.Integer() })),
});

/** What a whole answer looks like; a stream says the same in `chat.completion.chunk`s. */
export const chatResponse = object({
  id: Type.String(),
  object: Type.Literal('chat.completion'),
  created: Type.Integer({ description: 'Seconds since 1970.' }),
  model: Type.String(),
  choices: Type.Array(
    object({
      index: Type.Integer(),
      message: object({
        role: Type.Literal('assistant'),
        content: either(Type.String(), Type.Null()),
        refusal: either(Type.String(), Type.Null()),
        reasoning_content: maybe(text('Extension: what the model shows of its thinking.')),
        tool_calls: maybe(Type.Array(toolCall)),
      }),
      finish_reason: words('stop', 'length', 'tool_calls', 'content_filter', 'function_call'),
    }),
  ),
  usage,
});

/** The body of `POST /v1/completions`. */
export const completionsRequest = object({
  model: text('A model of GET /v1/models.'),
  prompt: either(Type.String(), Type.Array(Type.String(), { minItems: 1, maxItems: 1 })),
  ...sampling,
  max_tokens: maybe(Type.Integer({ minimum: 1 })),
  echo: maybe(Type.Boolean({ description: 'Repeat the prompt before the answer.' })),
  logprobs: maybe(Type.Integer({ minimum: 0, maximum: 5 })),
});

/** What a whole legacy answer looks like; the chunks of its stream look the same. */
export const completionsResponse = object({
  id: Type.String(),
  object: Type.Literal('text_completion'),
  created: Type.Integer({ description: 'Seconds since 1970.' }),
  model: Type.String(),
  choices: Type.Array(
    object({
      index: Type.Integer(),
      text: Type.String(),
      logprobs: either(object({}), Type.Null()),
      finish_reason: either(words('stop', 'length', 'content_filter'), Type.Null()),
    }),
  ),
  usage: maybe(usage),
});
