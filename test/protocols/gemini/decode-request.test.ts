import { describe, expect, test } from 'bun:test';
import type { Json } from '../../../src/core/json.ts';
import type { Part } from '../../../src/core/request.ts';
import gemini from '../../../src/protocols/gemini/index.ts';
import { decoded } from './words.ts';

const parts = (...wire: unknown[]): readonly Part[] =>
  decoded({ contents: [{ role: 'user', parts: wire }] }).messages[0]!.parts;

describe('spellings', () => {
  test('camel case and snake case are read alike', () => {
    const camel = {
      systemInstruction: { parts: [{ text: 's' }] },
      contents: [{ role: 'model', parts: [{ functionCall: { name: 'f' }, thoughtSignature: 'sig' }] }],
      tools: [
        { functionDeclarations: [{ name: 'f', parametersJsonSchema: { type: 'object' } }], googleSearch: {} },
      ],
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
      generationConfig: {
        maxOutputTokens: 5,
        stopSequences: ['a'],
        thinkingConfig: { thinkingLevel: 'LOW', includeThoughts: true },
        responseMimeType: 'application/json',
        responseSchema: { type: 'STRING', minLength: 1 },
      },
      serviceTier: 'standard',
    };
    const snake = {
      system_instruction: { parts: [{ text: 's' }] },
      contents: [{ role: 'model', parts: [{ function_call: { name: 'f' }, thought_signature: 'sig' }] }],
      tools: [
        {
          function_declarations: [{ name: 'f', parameters_json_schema: { type: 'object' } }],
          google_search: {},
        },
      ],
      tool_config: { function_calling_config: { mode: 'any', allowed_function_names: ['f'] } },
      generation_config: {
        max_output_tokens: 5,
        stop_sequences: ['a'],
        thinking_config: { thinking_level: 'LOW', include_thoughts: true },
        response_mime_type: 'application/json',
        response_schema: { type: 'STRING', min_length: '1' },
      },
      service_tier: 'standard',
    };
    const { extra, ...wanted } = decoded(camel);
    expect(decoded(snake)).toMatchObject(wanted);
    expect(wanted).toMatchObject({ serviceTier: 'default', reasoning: { effort: 'low', summary: 'auto' } });
    expect(Object.keys(extra.gemini!)).toEqual(['spelling']);
  });

  test('null is absent, as proto JSON has it', () => {
    const { tools, sampling, extra } = decoded({
      contents: [{ parts: [{ text: 'Hi', thought: false }] }],
      generationConfig: null,
      safetySettings: null,
      toolConfig: { functionCallingConfig: null },
      tools: [{ codeExecution: null, functionDeclarations: [{ name: 'f' }] }],
    });
    expect([tools.length, sampling, extra]).toEqual([1, {}, {}]);
  });

  test('contents may be a text, one object, or texts in a list; parts may be one object', () => {
    const hi = [{ kind: 'text', text: 'Hi' }] as const;
    for (const contents of [
      'Hi',
      { parts: { text: 'Hi' } },
      ['Hi'],
      [{ role: 'function', parts: [{ text: 'Hi' }] }],
    ])
      expect(decoded({ contents }).messages).toEqual([{ role: 'user', parts: hi }]);
    expect(decoded({ contents: 'Hi', systemInstruction: 'Be brief.' }).system).toEqual([
      { kind: 'text', text: 'Be brief.' },
    ]);
  });

  test.each([[{}], [{ contents: [] }], [{ contents: [7] }], [{ contents: [{ parts: 'Hi' }] }]])(
    'refuses %j and names the field',
    (body) => {
      expect(() => decoded(body as Json)).toThrow(/^contents/);
    },
  );

  test('a count may come with its request inside', () => {
    const inner = { contents: 'Hi', systemInstruction: 's', model: 'models/m' };
    expect(decoded({ generateContentRequest: inner }, 'count-tokens')).toMatchObject({
      messages: [{ parts: [{ text: 'Hi' }] }],
      system: [{ text: 's' }],
    });
  });
});

describe('parts', () => {
  test('media are told apart by their type, and keep what only Gemini knows of them', () => {
    const video = { fileData: { fileUri: 'gs://b/v.mp4', mimeType: 'video/mp4' }, videoMetadata: { fps: 1 } };
    expect(
      parts(
        { inlineData: { mimeType: 'image/png', data: 'AA==' } },
        { inline_data: { mime_type: 'audio/wav', data: 'BB==' } },
        { inlineData: { mimeType: 'application/pdf', data: 'CC==', displayName: 'a.pdf' } },
        video,
      ),
    ).toEqual([
      { kind: 'media', media: 'image', mime: 'image/png', source: { kind: 'data', data: 'AA==' } },
      { kind: 'media', media: 'audio', mime: 'audio/wav', source: { kind: 'data', data: 'BB==' } },
      {
        kind: 'media',
        media: 'document',
        mime: 'application/pdf',
        source: { kind: 'data', data: 'CC==' },
        name: 'a.pdf',
      },
      {
        kind: 'media',
        media: 'video',
        mime: 'video/mp4',
        source: { kind: 'url', url: 'gs://b/v.mp4' },
        extra: { gemini: { videoMetadata: { fps: 1 } } },
      },
    ]);
  });

  test('a signature on an empty text is kept', () => {
    expect(parts({ text: '', thoughtSignature: 'sig' })).toEqual([
      { kind: 'text', text: '', seal: { issuer: 'gemini', value: 'sig' } },
    ]);
  });

  test("a signature that is another vendor's comes back as that vendor's", () => {
    expect(parts({ text: 'a', thought: true, thoughtSignature: 'gw1.anthropic.sig' })).toMatchObject([
      { kind: 'reasoning', seal: { issuer: 'anthropic', value: 'sig' } },
    ]);
  });

  test('code that ran and things nobody else knows keep their own words', () => {
    const code = { executableCode: { language: 'PYTHON', code: 'print(1)' } };
    const ran = { codeExecutionResult: { outcome: 'OUTCOME_FAILED', output: '' } };
    const search = { toolCall: { toolType: 'GOOGLE_SEARCH_WEB', args: {} } };
    expect(parts(code, ran, search)).toMatchObject([
      { kind: 'hosted-call', tool: 'code-execution', input: { code: 'print(1)' } },
      { kind: 'hosted-result', failed: true },
      { kind: 'foreign', foreign: { protocol: 'gemini', value: search } },
    ]);
  });
});

describe('calls and results', () => {
  const conversation = (calls: Json[], results: Json[]) =>
    decoded({
      contents: [
        { role: 'model', parts: calls.map((functionCall) => ({ functionCall })) },
        { role: 'user', parts: results.map((functionResponse) => ({ functionResponse })) },
      ],
    }).messages.map(({ parts: said }) => said.map((part) => ('callId' in part ? part.callId : '')));

  test('pair by id where there is one, and by name and place where there is none', () => {
    const [a, b] = [{ name: 'a' }, { name: 'b' }];
    expect(conversation([a, b, a], [b, a, a])).toEqual([
      ['call_1', 'call_2', 'call_3'],
      ['call_2', 'call_1', 'call_3'],
    ]);
    expect(
      conversation(
        [
          { ...a, id: 'x' },
          { ...a, id: 'y' },
        ],
        [
          { ...a, id: 'y' },
          { ...a, id: 'x' },
        ],
      ),
    ).toEqual([
      ['x', 'y'],
      ['y', 'x'],
    ]);
    expect(conversation([{ ...a, id: 'x' }], [a])).toEqual([['x'], ['x']]);
    expect(conversation([a], [{ ...a, id: 'theirs' }])).toEqual([['call_1'], ['call_1']]);
  });

  test('a made-up id is never one that is taken', () => {
    expect(conversation([{ name: 'a' }, { name: 'b', id: 'call_1' }], [])[0]).toEqual(['call_2', 'call_1']);
  });

  test.each([
    [{ result: 'r' }, 'r', false],
    [{ output: 'r' }, 'r', false],
    [{ error: 'e' }, 'e', true],
    [{ error: { code: 1 } }, '{"error":{"code":1}}', false],
    [{ result: 7 }, '{"result":7}', false],
    [{ name: 'f', content: 'c' }, 'c', false],
    [{ name: 'f', content: { result: 'c' } }, 'c', false],
    [{ name: 'g', content: 'c' }, '{"name":"g","content":"c"}', false],
  ])('the response %j says %j', (response, said, failed) => {
    expect(parts({ functionResponse: { name: 'f', response } })).toMatchObject([
      { kind: 'tool-result', parts: [{ kind: 'text', text: said }], failed },
    ]);
  });

  test('media inside a response are part of the result', () => {
    const inlineData = { mimeType: 'image/png', data: 'AA==' };
    const [answer] = parts({ functionResponse: { name: 'f', response: {}, parts: [{ inlineData }] } });
    expect(answer).toMatchObject({ parts: [{ kind: 'media', mime: 'image/png' }] });
  });
});

describe('tools', () => {
  test("the dialect's schemas become JSON Schema", () => {
    const { tools } = decoded({
      contents: 'Hi',
      tools: [
        {
          functionDeclarations: [
            {
              name: 'f',
              description: 'd',
              parameters: { type: 'OBJECT', properties: { a: { type: 'STRING', nullable: true } } },
            },
          ],
        },
      ],
    });
    expect(tools).toMatchObject([
      {
        kind: 'function',
        name: 'f',
        description: 'd',
        schema: { type: 'object', properties: { a: { type: ['string', 'null'] } } },
      },
    ]);
  });

  test('hosted tools are known by what they do', () => {
    const { tools } = decoded({
      contents: 'Hi',
      tools: [{ googleSearch: { excludeDomains: ['a.com'] } }, { urlContext: {} }, { googleMaps: {} }],
    });
    expect(tools).toMatchObject([
      { kind: 'hosted', tool: 'web-search', blockedDomains: ['a.com'] },
      { kind: 'hosted', tool: 'web-fetch' },
      { kind: 'hosted', tool: 'other', name: 'googleMaps' },
    ]);
  });

  test.each([
    [{ mode: 'AUTO' }, { kind: 'auto' }],
    [{ mode: 'NONE' }, { kind: 'none' }],
    [{ mode: 'ANY' }, { kind: 'required' }],
    [
      { mode: 'ANY', allowedFunctionNames: ['f'] },
      { kind: 'tool', name: 'f' },
    ],
    [
      { mode: 'ANY', allowedFunctionNames: ['f', 'g'] },
      { kind: 'subset', names: ['f', 'g'], required: true },
    ],
    [
      { mode: 'VALIDATED', allowedFunctionNames: ['f'] },
      { kind: 'subset', names: ['f'], required: false },
    ],
    [{ mode: 'VALIDATED' }, { kind: 'auto' }],
  ])('the choice %j is %j', (functionCallingConfig, choice) => {
    expect(decoded({ contents: 'Hi', toolConfig: { functionCallingConfig } }).toolChoice).toEqual(
      choice as never,
    );
  });
});

describe('routes', () => {
  const [route] = gemini.client!.routes;
  const hint = (target: string, query = '') => route!.hint({ '*': target }, {}, new URLSearchParams(query));

  test('model, method and framing stand in the path and the query', () => {
    expect(hint('gemini-2.5-pro:generateContent')).toMatchObject({
      model: 'gemini-2.5-pro',
      kind: 'chat',
      stream: false,
    });
    expect(hint('team/m:1:streamGenerateContent', 'alt=sse')).toEqual({
      model: 'team/m:1',
      kind: 'chat',
      stream: true,
    });
    expect(hint('m:streamGenerateContent')).toMatchObject({ stream: true, framing: 'json-array' });
    expect(hint('m%281024%29:countTokens')).toMatchObject({ model: 'm(1024)', kind: 'count-tokens' });
    for (const verb of ['embedContent', 'batchEmbedContents', 'predict'])
      expect(hint(`m:${verb}`)).toEqual({ model: 'm', kind: 'raw', stream: false });
  });

  test.each(['m', 'm:think', ':generateContent', ''])('refuses %j and names the methods', (target) => {
    expect(() => hint(target)).toThrow(/no method/);
  });

  test('every version that clients ask under is served, and the path of Vertex', () => {
    expect(gemini.client!.routes.map(({ path }) => path)).toEqual([
      '/v1beta/models/*',
      '/v1/models/*',
      '/v1beta1/publishers/google/models/*',
      '/v1/publishers/google/models/*',
    ]);
  });
});
