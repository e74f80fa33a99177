import { describe, expect, test } from 'bun:test';
import type { Json } from '../../src/core/json.ts';
import anthropicMessages from '../../src/protocols/anthropic-messages/index.ts';
import gemini from '../../src/protocols/gemini/index.ts';
import openaiChat from '../../src/protocols/openai-chat/index.ts';
import openaiResponses from '../../src/protocols/openai-responses/index.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

const chat = {
  protocol: openaiChat,
  sound: (content: string) => ({
    id: 'c1',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
    service_tier: 'default',
  }),
  uncounted: { choices: [{ index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' }] },
  failed: { error: { message: 'no' }, choices: [], usage: { prompt_tokens: 3, completion_tokens: 0 } },
};

const messages = {
  protocol: anthropicMessages,
  sound: (text: string) => ({
    type: 'message',
    content: [{ type: 'text', text }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 3, output_tokens: 4 },
  }),
  uncounted: { type: 'message', content: [] },
  failed: { type: 'error', error: { type: 'overloaded_error', message: 'no' } },
};

const responses = {
  protocol: openaiResponses,
  sound: (text: string) => ({
    status: 'completed',
    error: null,
    output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] }],
    usage: { input_tokens: 3, output_tokens: 4 },
    metadata: {},
  }),
  uncounted: { error: null, output: [] },
  failed: { error: { code: 'server_error' }, output: [], usage: { input_tokens: 3, output_tokens: 4 } },
};

const generated = {
  protocol: gemini,
  sound: (text: string) => ({
    candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP' }],
    usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 4 },
    modelVersion: 'g',
  }),
  uncounted: { candidates: [{}] },
  failed: { candidates: [{}], error: { code: 500 } },
};

/** Another order of the same fields: the usage first. */
const turned = (body: Json): Json => Object.fromEntries(Object.entries(body).reverse());

describe.each([
  ['Chat', chat],
  ['Messages', messages],
  ['Responses', responses],
  ['Gemini', generated],
] as const)('the glance at a whole answer of %s', (_, { protocol, sound, uncounted, failed }) => {
  const glance = (body: Json | string) =>
    protocol.upstream!.glance(bytes(typeof body === 'string' ? body : JSON.stringify(body)));
  const counted = { input: 3, output: 4 };

  test('counts what it cost, wherever the usage stands and whatever the model says of usage', () => {
    for (const text of ['hello', 'ä😀', '"usage":{"completion_tokens":9},"usageMetadata":{}', '\\"usage\\"'])
      for (const body of [sound(text), turned(sound(text))]) expect(glance(body)).toMatchObject(counted);
    expect(glance(JSON.stringify(sound('x'), undefined, 2))).toMatchObject(counted);
    expect(glance(sound('x'.repeat(100_000)))).toMatchObject(counted);
    expect(glance({ ...sound('x'), last: 'y'.repeat(100_000) })).toMatchObject(counted);
  });

  test('takes a usage of something inside for no usage of the answer', () => {
    expect(glance({ ...uncounted, inner: { usage: sound('x'), usageMetadata: sound('x') } })).toMatchObject({
      input: 0,
      output: 0,
    });
  });

  test('sees that an answer nobody counted is one', () => {
    expect(glance(uncounted)).toMatchObject({ input: 0, output: 0 });
  });

  test('sees no answer in a failure, in anything else, or in a part of one', () => {
    for (const other of [failed, {}, '', '[]', 'null', '<html>', JSON.stringify(sound('x')).slice(0, -1)])
      expect(glance(other)).toBeUndefined();
  });
});
