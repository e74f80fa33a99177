import { Type } from '@sinclair/typebox';

const open = { additionalProperties: true };

const part = Type.Object(
  {
    text: Type.Optional(Type.String()),
    thought: Type.Optional(Type.Boolean({ description: 'The text is a thought, not the answer.' })),
    thoughtSignature: Type.Optional(Type.String({ description: 'Opaque; send it back where it came.' })),
    inlineData: Type.Optional(
      Type.Object({ mimeType: Type.String(), data: Type.String({ description: 'Base64.' }) }, open),
    ),
    fileData: Type.Optional(
      Type.Object({ mimeType: Type.Optional(Type.String()), fileUri: Type.String() }, open),
    ),
    functionCall: Type.Optional(
      Type.Object({ name: Type.String(), args: Type.Optional(Type.Object({}, open)) }, open),
    ),
    functionResponse: Type.Optional(
      Type.Object({ name: Type.String(), response: Type.Optional(Type.Object({}, open)) }, open),
    ),
  },
  open,
);

const content = Type.Object(
  { role: Type.Optional(Type.String({ description: '`user` or `model`.' })), parts: Type.Array(part) },
  open,
);

/** A GenerateContent request. Every other documented field is accepted too. */
export const requestSchema = Type.Object(
  {
    contents: Type.Array(content),
    systemInstruction: Type.Optional(content),
    tools: Type.Optional(Type.Array(Type.Object({}, open))),
    toolConfig: Type.Optional(Type.Object({}, open)),
    generationConfig: Type.Optional(Type.Object({}, open)),
    safetySettings: Type.Optional(Type.Array(Type.Object({}, open))),
  },
  open,
);

export const responseSchema = Type.Object(
  {
    candidates: Type.Array(
      Type.Object(
        {
          content: Type.Optional(content),
          finishReason: Type.Optional(Type.String()),
          index: Type.Optional(Type.Integer()),
        },
        open,
      ),
    ),
    usageMetadata: Type.Optional(Type.Object({}, open)),
    modelVersion: Type.Optional(Type.String()),
    responseId: Type.Optional(Type.String()),
  },
  open,
);
