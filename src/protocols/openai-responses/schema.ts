import { Type } from '@sinclair/typebox';

const open = { additionalProperties: true };

/** A Responses request. Every other documented field is accepted too. */
export const requestSchema = Type.Object(
  {
    model: Type.String({ description: 'An id from /v1/models.' }),
    input: Type.Union([Type.String(), Type.Array(Type.Object({}, open))], {
      description: 'A text, or the items of the conversation.',
    }),
    instructions: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    stream: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
    max_output_tokens: Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Null()])),
    temperature: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
    tools: Type.Optional(Type.Array(Type.Object({ type: Type.String() }, open))),
    tool_choice: Type.Optional(Type.Union([Type.String(), Type.Object({}, open)])),
    parallel_tool_calls: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
    reasoning: Type.Optional(Type.Union([Type.Object({}, open), Type.Null()])),
    text: Type.Optional(Type.Object({}, open)),
  },
  open,
);

export const responseSchema = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('response'),
    status: Type.String({ description: '`completed`, `incomplete`, `failed` or `in_progress`.' }),
    model: Type.String(),
    output: Type.Array(Type.Object({ type: Type.String() }, open)),
    usage: Type.Union([Type.Object({}, open), Type.Null()]),
  },
  open,
);

export const countSchema = Type.Object({ object: Type.String(), input_tokens: Type.Integer() });

export const compactionSchema = Type.Object(
  {
    id: Type.String(),
    object: Type.String({ description: '`response.compaction`.' }),
    output: Type.Array(Type.Object({ type: Type.String() }, open), {
      description: 'The items to go on with, one of them the encrypted compaction.',
    }),
  },
  open,
);
