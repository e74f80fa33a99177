import { type Json, readArray, readObject, readObjects } from '../../src/core/json.ts';
import { camel } from '../../src/protocols/gemini/wire.ts';

/** Two ways to say the same, and the one of them under which bodies are compared. */
interface Spelling {
  readonly why: string;
  /** Whose value it is: a path such as `.messages[].content`. */
  readonly at: RegExp;
  /** The same value in the other spelling; undefined when it says nothing. */
  readonly as: (value: unknown) => unknown;
}

/** A request's body, spelled in the one way under which equal requests are equal. */
export function spelled(protocol: string, body: Json): unknown {
  const rules = [...everywhere, ...(spellings[protocol] ?? [])];
  const walk = (value: unknown, path: string): unknown => {
    let said = withChildren(value, path, walk);
    for (const { at, as } of rules) if (said !== undefined && at.test(path)) said = as(said);
    return said;
  };
  return walk(protocol === 'gemini' ? camelled(body) : body, '');
}

function withChildren(
  value: unknown,
  path: string,
  walk: (value: unknown, path: string) => unknown,
): unknown {
  const items = readArray(value);
  if (items) return items.map((item) => walk(item, `${path}[]`)).filter((item) => item !== undefined);
  const object = readObject(value);
  if (!object) return value;
  const entries = Object.entries(object).map(([key, child]) => [key, walk(child, `${path}.${key}`)] as const);
  return Object.fromEntries(entries.filter(([, child]) => child !== undefined));
}

/** Gemini's fields are spelled in either case. */
const camelled = (value: unknown): unknown => {
  const object = readObject(value);
  if (!object) return readArray(value)?.map(camelled) ?? value;
  return Object.fromEntries(Object.entries(camel(object)).map(([key, child]) => [key, camelled(child)]));
};

/** Gemini's tools as one list of functions, and what the vendor runs itself after it. */
function oneList(value: unknown): unknown {
  const tools = readObjects(value);
  const functions = tools.flatMap(({ functionDeclarations }) => readObjects(functionDeclarations));
  const hosted = tools.filter((tool) => !('functionDeclarations' in tool));
  return [...(functions.length > 0 ? [{ functionDeclarations: functions }] : []), ...hosted];
}

function joinedTurns(value: unknown): unknown {
  const turns: { role: unknown; parts: unknown[] }[] = [];
  for (const { role, parts } of readObjects(value)) {
    const last = turns.at(-1);
    if (last && last.role === role) last.parts.push(...readObjects(parts));
    else turns.push({ role, parts: [...readObjects(parts)] });
  }
  return turns;
}

const nothing = () => undefined;
const unless = (usual: unknown) => (value: unknown) => (Bun.deepEquals(value, usual) ? undefined : value);
const asText = (type: string) => (value: unknown) =>
  typeof value === 'string' ? [{ type, text: value }] : value;

const everywhere: readonly Spelling[] = [
  { why: 'null says nothing', at: /./, as: (value) => value ?? undefined },
  { why: 'whole is how an answer comes unasked', at: /^\.stream$/, as: unless(false) },
  { why: 'no tools are none', at: /^\.tools$/, as: unless([]) },
];

/** By protocol. */
const spellings: Readonly<Record<string, readonly Spelling[]>> = {
  'openai-chat': [
    {
      why: 'the limit and the effort have two names each',
      at: /^$/,
      as: (value) => {
        const { max_completion_tokens, reasoning, ...body } = readObject(value) ?? {};
        const effort = readObject(reasoning)?.effort;
        return {
          ...body,
          ...(max_completion_tokens ? { max_tokens: max_completion_tokens } : {}),
          ...(effort ? { reasoning_effort: effort } : {}),
          ...(reasoning && !effort ? { reasoning } : {}),
        };
      },
    },
    {
      why: 'the text of a signed thought may stand beside it as well',
      at: /^\.messages\[\]$/,
      as: (value) => {
        const { reasoning, ...message } = readObject(value) ?? {};
        return 'reasoning_details' in message || reasoning === undefined
          ? message
          : { ...message, reasoning };
      },
    },
    {
      why: 'OpenRouter orders details and finds their calls by itself',
      at: /^\.messages\[\]\.reasoning_details\[\]\.(id|index)$/,
      as: nothing,
    },
    { why: 'text alone is a list of one', at: /^\.messages\[\]\.content$/, as: asText('text') },
    {
      why: 'no words beside calls are an empty text or none',
      at: /^\.messages\[\]\.content$/,
      as: unless([{ type: 'text', text: '' }]),
    },
    {
      why: 'the first vision models took the bare URL',
      at: /\.image_url$/,
      as: (value) => (typeof value === 'string' ? { url: value } : value),
    },
    {
      why: 'some servers take the bare sound',
      at: /\.input_audio$/,
      as: (value) => (typeof value === 'string' ? value : readObject(value)?.data),
    },
    {
      why: 'Mistral says any for required',
      at: /^\.tool_choice$/,
      as: (value) => (value === 'any' ? 'required' : value),
    },
    { why: 'the gateway always asks for the usage', at: /^\.stream_options$/, as: nothing },
    {
      why: 'a place in the list is no part of a call',
      at: /^\.messages\[\]\.tool_calls\[\]\.index$/,
      as: nothing,
    },
  ],
  'openai-responses': [
    {
      why: 'text alone is a message of the user',
      at: /^\.input$/,
      as: (value) =>
        typeof value === 'string'
          ? [{ type: 'message', role: 'user', content: [{ type: 'text', text: value }] }]
          : value,
    },
    {
      why: 'an item without a type is a message',
      at: /^\.input\[\]$/,
      as: (value) => ({ type: 'message', ...readObject(value) }),
    },
    {
      why: 'text alone is a list of one',
      at: /^\.input\[\]\.content$/,
      as: asText('text'),
    },
    {
      why: 'the text of a message is input or output by its role',
      at: /^\.input\[\]\.content\[\]\.type$/,
      as: (value) => (value === 'input_text' || value === 'output_text' ? 'text' : value),
    },
    { why: 'empty instructions are none', at: /^\.instructions$/, as: unless('') },
    { why: 'text is what an answer is', at: /^\.text$/, as: unless({ format: { type: 'text' } }) },
  ],
  'anthropic-messages': [
    {
      why: 'text alone is a list of one',
      at: /^(\.system|\.messages\[\](\.content\[\])?\.content)$/,
      as: asText('text'),
    },
    { why: 'a result is no failure unasked', at: /\.is_error$/, as: unless(false) },
    {
      why: 'an object schema without properties has none',
      at: /\.input_schema\.properties$/,
      as: unless({}),
    },
  ],
  gemini: [
    {
      why: 'a list of one may be the one',
      at: /^\.(contents|tools)$/,
      as: (value) => readArray(value) ?? [value],
    },
    { why: 'the tools are one list', at: /^\.tools$/, as: oneList },
    { why: 'turns of one role in a row are one', at: /^\.contents$/, as: joinedTurns },
    { why: 'calls go by the order too', at: /\.function(Call|Response)\.id$/, as: nothing },
    { why: 'a part is no thought unasked', at: /\.thought$/, as: unless(false) },
    { why: 'a system instruction has no role', at: /^\.systemInstruction\.role$/, as: nothing },
    { why: 'one candidate is what comes unasked', at: /\.candidateCount$/, as: unless(1) },
    { why: 'the model stands in the path', at: /^\.model$/, as: nothing },
    { why: 'AUTO is what is chosen unasked', at: /\.functionCallingConfig\.mode$/, as: unless('AUTO') },
    {
      why: 'levels are spelled in either case',
      at: /\.thinkingLevel$/,
      as: (value) => String(value).toUpperCase(),
    },
    {
      why: 'the gateway asks to be told of hosted calls beside functions',
      at: /\.includeServerSideToolInvocations$/,
      as: nothing,
    },
    { why: 'thoughts stay hidden unasked', at: /\.includeThoughts$/, as: unless(false) },
    { why: 'an empty config is none', at: /Config$/, as: unless({}) },
  ],
};
