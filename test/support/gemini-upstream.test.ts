import { afterAll, afterEach, expect, test } from 'bun:test';
import type { Json } from '../../src/core/json.ts';
import { geminiUpstream, simulatorKey } from './upstream.ts';

/** The simulated Google refuses what the real one refuses; otherwise no test that it is content with would mean anything. */

const google = geminiUpstream();
afterAll(() => google.stop());
afterEach(() => google.reset());

const ask = (body: Json, target = 'gemini-3-sim:generateContent', key = simulatorKey) =>
  fetch(`${google.url}/v1beta/models/${target}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key ? { 'x-goog-api-key': key } : {}) },
    body: JSON.stringify(body),
  });
const user = (...parts: Json[]): Json => ({ role: 'user', parts });
const model = (...parts: Json[]): Json => ({ role: 'model', parts });
const hi = user({ text: 'Hi' });
const f = {
  functionDeclarations: [
    { name: 'f', parameters: { type: 'OBJECT', properties: { a: { type: 'STRING' } } } },
  ],
};
const call = (name: string, more: Json = {}): Json => ({ functionCall: { name, args: {} }, ...more });
const result = (name: string): Json => ({ functionResponse: { name, response: {} } });
const skip = { thoughtSignature: 'skip_thought_signature_validator' };

const refusals: readonly (readonly [string, Json, string?])[] = [
  ['contents is not specified', { contents: [] }],
  ['begin with a user role', { contents: [model({ text: 'Hi' })] }],
  ['valid role', { contents: [{ role: 'assistant', parts: [{ text: 'Hi' }] }] }],
  ['must not be empty', { contents: [user()] }],
  ['Unknown name "foo"', { contents: [hi], foo: 1 }],
  ['Unknown name "cache"', { contents: [user({ text: 'a', cache: {} })] }],
  ['required oneof', { contents: [user({ thought: true })] }],
  [
    'Unknown name "displayName"',
    { contents: [user({ inlineData: { mimeType: 'a/b', data: 'AA==', displayName: 'x' } })] },
  ],
  ['missing a thought_signature', { contents: [hi, model(call('f')), user(result('f'))] }],
  [
    'signature is not valid',
    { contents: [hi, model(call('f', { thoughtSignature: 'no' })), user(result('f'))] },
  ],
  [
    'number of function response parts',
    { contents: [hi, model(call('f', skip), call('g')), user(result('f'))] },
  ],
  [
    'order of their calls',
    { contents: [hi, model(call('f', skip), call('g')), user(result('g'), result('f'))] },
  ],
  ['number of function response parts', { contents: [hi, model({ text: 'a' }), user(result('f'))] }],
  ['response turn comes immediately after', { contents: [hi, model(call('f', skip))] }],
  [
    'without function_declarations',
    { contents: [hi], toolConfig: { functionCallingConfig: { mode: 'AUTO' } } },
  ],
  [
    'not all declared',
    {
      contents: [hi],
      tools: [f],
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['g'] } },
    },
  ],
  ['include_server_side', { contents: [hi], tools: [f, { googleSearch: {} }] }],
  ['unsupported', { contents: [hi], tools: [f, { googleSearch: {} }] }, 'gemini-2-sim:generateContent'],
  ['Invalid function name', { contents: [hi], tools: [{ functionDeclarations: [{ name: '1st tool' }] }] }],
  [
    'non-empty for OBJECT',
    {
      contents: [hi],
      tools: [{ functionDeclarations: [{ name: 'f', parameters: { type: 'OBJECT', properties: {} } }] }],
    },
  ],
  [
    'Unknown name "const"',
    {
      contents: [hi],
      generationConfig: {
        responseMimeType: 'application/json',
        responseSchema: { type: 'STRING', const: 'a' },
      },
    },
  ],
  ['Unknown name "user"', { contents: [hi], generationConfig: { user: 'a' } }],
  ['stop sequences', { contents: [hi], generationConfig: { stopSequences: ['1', '2', '3', '4', '5', '6'] } }],
  [
    'only one of thinking',
    { contents: [hi], generationConfig: { thinkingConfig: { thinkingBudget: 1, thinkingLevel: 'LOW' } } },
  ],
  [
    'level is not supported',
    { contents: [hi], generationConfig: { thinkingConfig: { thinkingLevel: 'LOW' } } },
    'gemini-2-sim:generateContent',
  ],
  [
    'only works in thinking mode',
    { contents: [hi], generationConfig: { thinkingConfig: { thinkingBudget: 0 } } },
  ],
  ['alt=sse is missing', { contents: [hi] }, 'gemini-3-sim:streamGenerateContent'],
  ['Unknown name "tools"', { contents: [hi], tools: [f] }, 'gemini-3-sim:countTokens'],
];

test.each(
  refusals.map(([words, body, target = 'gemini-3-sim:generateContent']) => [words, body, target] as const),
)('refuses: %s', async (words, body, target) => {
  const response = await ask(body, target);
  expect(response.status).toBe(400);
  expect(JSON.stringify(await response.json())).toContain(words.replaceAll('"', '\\"'));
});

test('refuses a missing key, a wrong one and an unknown method as Google does', async () => {
  expect((await ask({ contents: [hi] }, undefined, '')).status).toBe(403);
  expect(await (await ask({ contents: [hi] }, undefined, 'nope')).text()).toContain('API_KEY_INVALID');
  expect((await ask({ contents: [hi] }, 'gemini-3-sim:think')).status).toBe(404);
});

test('serves both spellings, signs its calls, and takes them back signed', async () => {
  const asked = user({ text: 'use the tool f' });
  const first = (await (await ask({ contents: [asked], tools: [f] })).json()) as {
    candidates: { content: Json }[];
  };
  const { content } = first.candidates[0]!;
  expect(JSON.stringify(content)).toContain('thoughtSignature');
  const again = await ask({
    contents: [asked, content, user({ function_response: { name: 'f', response: { result: 'ok' } } })],
  });
  expect(JSON.stringify(await again.json())).toContain('The tool said: ok');
  expect(google.refused).toEqual([]);
});
