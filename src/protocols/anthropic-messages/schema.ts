import { type TSchema, Type } from '@sinclair/typebox';

/**
 * The fields of Messages bodies that this program reads. They document the routes; other fields are welcome and go to
 * Anthropic as they are.
 */
const open = { additionalProperties: true };
const object = (properties: Record<string, TSchema>, description?: string) =>
  Type.Object(properties, description === undefined ? open : { ...open, description });
const either = (...schemas: TSchema[]) => Type.Union(schemas);
const words = (...names: string[]) => Type.Union(names.map((name) => Type.Literal(name)));
const maybe = Type.Optional;

const cacheControl = object(
  { type: Type.Literal('ephemeral'), ttl: maybe(words('5m', '1h')) },
  'The prompt up to here may be cached; at most four marks in a request.',
);

const block = object(
  {
    type: Type.String({
      description:
        'text, image, document, search_result, thinking, redacted_thinking, tool_use, tool_result, server_tool_use and others.',
    }),
    cache_control: maybe(cacheControl),
  },
  'A content block; its other fields depend on its type.',
);

const content = either(Type.String(), Type.Array(block));

const message = object({
  role: words('user', 'assistant', 'system'),
  content,
});

const tool = object({
  type: maybe(
    Type.String({ description: 'Absent or `custom` for your own tool; else such as `web_search_20250305`.' }),
  ),
  name: maybe(Type.String()),
  description: maybe(Type.String()),
  input_schema: maybe(object({}, 'JSON Schema of the arguments, an object.')),
  strict: maybe(Type.Boolean()),
  cache_control: maybe(cacheControl),
});

const toolChoice = object({
  type: words('auto', 'any', 'tool', 'none'),
  name: maybe(Type.String()),
  disable_parallel_tool_use: maybe(Type.Boolean()),
});

const thinking = object({
  type: words('enabled', 'adaptive', 'disabled'),
  budget_tokens: maybe(Type.Integer({ minimum: 0, description: 'At least 1024 and below max_tokens.' })),
  display: maybe(words('summarized', 'omitted')),
});

const outputConfig = object({
  effort: maybe(words('low', 'medium', 'high', 'xhigh', 'max')),
  format: maybe(object({ type: Type.Literal('json_schema'), schema: object({}) })),
});

const prompt = {
  model: Type.String({ description: 'A model of GET /v1/models.' }),
  messages: Type.Array(message, { minItems: 1 }),
  system: maybe(content),
  tools: maybe(Type.Array(tool)),
  tool_choice: maybe(toolChoice),
  thinking: maybe(thinking),
};

/** The body of POST /v1/messages. */
export const messagesRequest = object({
  ...prompt,
  max_tokens: maybe(Type.Integer({ description: "Absent: the model's limit, else 8192." })),
  stream: maybe(Type.Boolean()),
  temperature: maybe(Type.Number({ minimum: 0, maximum: 1 })),
  top_p: maybe(Type.Number()),
  top_k: maybe(Type.Integer()),
  stop_sequences: maybe(Type.Array(Type.String())),
  output_config: maybe(outputConfig),
  metadata: maybe(object({ user_id: maybe(Type.String()) })),
  service_tier: maybe(words('auto', 'standard_only')),
});

const usage = object({
  input_tokens: Type.Integer({ description: 'Without what was read from or written to the cache.' }),
  cache_creation_input_tokens: maybe(Type.Integer()),
  cache_read_input_tokens: maybe(Type.Integer()),
  output_tokens: Type.Integer({ description: 'Thinking included.' }),
});

/** The answer to it when it is not streamed. */
export const messagesResponse = object({
  id: Type.String(),
  type: Type.Literal('message'),
  role: Type.Literal('assistant'),
  model: Type.String(),
  content: Type.Array(block),
  stop_reason: either(
    words(
      'end_turn',
      'max_tokens',
      'stop_sequence',
      'tool_use',
      'pause_turn',
      'refusal',
      'model_context_window_exceeded',
    ),
    Type.Null(),
  ),
  stop_sequence: either(Type.String(), Type.Null()),
  usage,
});

/** The body of POST /v1/messages/count_tokens. */
export const countRequest = object(prompt);

/** The answer to it. */
export const countResponse = object({ input_tokens: Type.Integer() });
