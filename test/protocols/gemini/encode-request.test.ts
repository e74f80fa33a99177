import { describe, expect, test } from 'bun:test';
import type { Json } from '../../../src/core/json.ts';
import type { Part, Tool } from '../../../src/core/request.ts';
import { assistant, call, contentsOf, decoded, encoded, result, sealOf, text, user } from './words.ts';

const skip = 'skip_thought_signature_validator';
const third = { model: 'gemini-3-pro-preview' };
const fn = (name: string, more: object = {}): Tool => ({
  kind: 'function',
  name,
  schema: { type: 'object', properties: { a: { type: 'string' } } },
  ...more,
});
const search: Tool = {
  kind: 'hosted',
  tool: 'web-search',
  name: 'web_search',
  foreign: { protocol: 'anthropic-messages', value: {} },
};

describe('turns', () => {
  test('the first is the user’s, and there is one', () => {
    expect(contentsOf([])).toEqual([{ role: 'user', parts: [{ text: ' ' }] }]);
    expect(contentsOf([assistant(text('Hi'))])).toEqual([
      { role: 'user', parts: [{ text: ' ' }] },
      { role: 'model', parts: [{ text: 'Hi' }] },
    ]);
  });

  test('messages of one side in a row are one turn', () => {
    expect(
      contentsOf([user(text('a')), user(text('b')), assistant(text('c')), assistant(text('d'))]),
    ).toEqual([
      { role: 'user', parts: [{ text: 'a' }, { text: 'b' }] },
      { role: 'model', parts: [{ text: 'c' }, { text: 'd' }] },
    ]);
  });

  test('a system message in the middle is the user’s turn, marked', () => {
    expect(contentsOf([user(text('a')), { role: 'system', parts: [text('s')] }])).toEqual([
      {
        role: 'user',
        parts: [{ text: 'a' }, { text: '<system-reminder>' }, { text: 's' }, { text: '</system-reminder>' }],
      },
    ]);
  });

  test('a prefill stays', () => {
    expect(contentsOf([user(text('a')), assistant(text('{'))])).toHaveLength(2);
  });
});

describe('results', () => {
  const names = (messages: Parameters<typeof contentsOf>[0]) =>
    (contentsOf(messages) as { parts: Json[] }[]).map(({ parts }) =>
      parts.map((part) => {
        const said = (part.functionCall ?? part.functionResponse) as Json | undefined;
        return said ? `${part.functionCall ? 'call' : 'result'} ${String(said.id)}` : part.text;
      }),
    );

  test('stand in the order of their calls, before anything else of the turn', () => {
    expect(
      names([
        user(text('q')),
        assistant(text('t'), call('a'), call('b')),
        user(text('x'), result('b')),
        user(result('a'), text('y')),
      ]),
    ).toEqual([['q'], ['t', 'call a', 'call b'], ['result a', 'result b', 'x', 'y']]);
  });

  test('of parallel calls that came as messages of their own are one turn', () => {
    expect(
      names([
        user(text('q')),
        assistant(call('a')),
        assistant(call('b')),
        user(result('a')),
        user(result('b')),
      ]),
    ).toEqual([['q'], ['call a', 'call b'], ['result a', 'result b']]);
  });

  test('missing ones are empty, the later of two counts, and those of no call become text', () => {
    const contents = contentsOf([
      user(text('q')),
      assistant(call('a', 'fa'), call('b', 'fb')),
      user(result('b', 'old'), result('b', 'new'), result('c', 'lost')),
    ]) as { parts: Json[] }[];
    expect(contents[2]!.parts).toEqual([
      { functionResponse: { id: 'a', name: 'fa', response: {} } },
      { functionResponse: { id: 'b', name: 'fb', response: { result: 'new' } } },
      { text: '[Result of the tool call c]' },
      { text: 'lost' },
    ]);
    expect(names([user(text('q')), assistant(call('a'))])).toEqual([['q'], ['call a'], ['result a']]);
  });

  test('a failure is told as one', () => {
    const contents = contentsOf([assistant(call('a')), user(result('a', 'no', { failed: true }))]);
    expect((contents as { parts: Json[] }[])[2]!.parts).toEqual([
      { functionResponse: { id: 'a', name: 'f', response: { error: 'no' } } },
    ]);
  });

  test('pictures go inside from Gemini 3 on, and beside before it', () => {
    const picture: Part = {
      kind: 'media',
      media: 'image',
      mime: 'image/png',
      source: { kind: 'data', data: 'AA==' },
    };
    const messages = [assistant(call('a')), user(result('a', 'see', { parts: [text('see'), picture] }))];
    const inlineData = { mimeType: 'image/png', data: 'AA==' };
    const last = (target?: object) => (contentsOf(messages, target) as { parts: Json[] }[]).at(-1)!.parts;
    expect(last()).toEqual([
      { functionResponse: { id: 'a', name: 'f', response: { result: 'see' } } },
      { inlineData },
    ]);
    expect(last(third)).toEqual([
      { functionResponse: { parts: [{ inlineData }], id: 'a', name: 'f', response: { result: 'see' } } },
    ]);
  });

  test('Vertex gets no ids', () => {
    const contents = JSON.stringify(
      contentsOf([assistant(call('a')), user(result('a'))], { dialect: 'vertex' }),
    );
    expect(contents).not.toContain('"id"');
    expect(JSON.stringify(contentsOf([assistant(call('a'))], { dialect: 'vertex' }))).not.toContain('"id"');
  });

  test('arguments that are no object are kept, and reported', () => {
    const { body, dropped } = encoded({ messages: [assistant(call('a', 'f', { args: '[1' }))] });
    expect(JSON.stringify(body.contents)).toContain('"args":{"_raw":"[1"}');
    expect(dropped).toHaveLength(1);
    expect(JSON.stringify(contentsOf([assistant(call('a', 'f', { args: '' }))]))).toContain('"args":{}');
  });
});

describe('signatures', () => {
  const signatures = (messages: Parameters<typeof contentsOf>[0], target: object = third) =>
    (contentsOf(messages, target) as { role: string; parts: Json[] }[])
      .filter(({ role }) => role === 'model')
      .map(({ parts }) => parts.map((part) => part.thoughtSignature));

  test('only the first of parallel calls gets the word that stands for one, and only from Gemini 3 on', () => {
    const messages = [user(text('q')), assistant(call('a'), call('b')), user(result('a'), result('b'))];
    expect(signatures(messages)).toEqual([[skip, undefined]]);
    expect(signatures(messages, { model: 'gemini-flash-latest' })).toEqual([[skip, undefined]]);
    expect(signatures(messages, { model: 'gemini-2.5-pro' })).toEqual([[undefined, undefined]]);
    expect(signatures(messages, { model: 'some-alias' })).toEqual([[undefined, undefined]]);
  });

  test('Gemini’s own go back where they were; those of others never', () => {
    const messages = [
      assistant(
        { kind: 'text', text: 'one', seal: sealOf('s1') },
        { kind: 'text', text: 'two', seal: sealOf('s2') },
        call('a', 'f', { seal: sealOf('s3') }),
        call('b', 'f', { seal: sealOf('x', 'openai') }),
      ),
    ];
    expect(signatures(messages)).toEqual([['s1', 's2', 's3', undefined]]);
    expect(signatures([assistant(call('a', 'f', { seal: sealOf('x', 'openai') }))])).toEqual([[skip]]);
  });

  test('one that came back apart from its call is put on it again', () => {
    const apart: Part = { kind: 'reasoning', text: '', seal: sealOf('sig') };
    expect(signatures([assistant(apart, call('a'), call('b'))])).toEqual([['sig', undefined]]);
    expect(signatures([assistant(apart, text('t'))])).toEqual([['sig', undefined]]);
  });

  test('an empty text is sent for its signature only', () => {
    const empty: Part = { kind: 'text', text: '', seal: sealOf('sig') };
    expect(contentsOf([user(text('')), assistant(text(''), empty)])).toEqual([
      { role: 'user', parts: [{ text: ' ' }] },
      { role: 'model', parts: [{ text: '', thoughtSignature: 'sig' }] },
    ]);
  });

  test('thoughts of others are left out whole, and reported; those a Gemini client brings back stay', () => {
    const foreign: Part = { kind: 'reasoning', text: 'hm', seal: sealOf('x', 'anthropic') };
    const { body, dropped } = encoded({ messages: [user(text('q')), assistant(foreign, text('a'))] });
    expect((body.contents as { parts: Json[] }[])[1]!.parts).toEqual([{ text: 'a' }]);
    expect(dropped).toEqual(['reasoning of another provider in the history']);
    const own = { contents: ['q', { role: 'model', parts: [{ text: 'hm', thought: true }, { text: 'a' }] }] };
    expect(encoded(decoded(own))).toMatchObject({ dropped: [], body: { contents: [{}, own.contents[1]] } });
  });
});

describe('media', () => {
  const sent = (part: Part, target: object = {}) => {
    const { body, dropped } = encoded({ messages: [user(part)] }, target);
    return { part: (body.contents as { parts: Json[] }[])[0]!.parts[0], dropped };
  };
  const media = (more: object): Part =>
    ({ kind: 'media', media: 'image', mime: '', source: { kind: 'url', url: '' }, ...more }) as Part;

  test('URLs are file data, with the type that their ending tells', () => {
    expect(sent(media({ source: { kind: 'url', url: 'https://e.com/a.JPG?x=1' } })).part).toEqual({
      fileData: { mimeType: 'image/jpeg', fileUri: 'https://e.com/a.JPG?x=1' },
    });
    expect(sent(media({ source: { kind: 'url', url: 'https://e.com/a' } })).part).toEqual({
      fileData: { fileUri: 'https://e.com/a' },
    });
  });

  test('a name tells the type of what has none, and only Vertex takes the name itself', () => {
    const pdf = media({
      media: 'document',
      mime: 'application/octet-stream',
      name: 'a.pdf',
      source: { kind: 'data', data: 'AA==' },
    });
    expect(sent(pdf)).toEqual({
      part: { inlineData: { mimeType: 'application/pdf', data: 'AA==' } },
      dropped: ['name of document'],
    });
    expect(sent(pdf, { dialect: 'vertex' })).toEqual({
      part: { inlineData: { mimeType: 'application/pdf', data: 'AA==', displayName: 'a.pdf' } },
      dropped: [],
    });
  });

  test('sound goes in as it came', () => {
    const sound = media({ media: 'audio', mime: 'audio/wav', source: { kind: 'data', data: 'UklGRg==' } });
    expect(sent(sound).part).toEqual({ inlineData: { mimeType: 'audio/wav', data: 'UklGRg==' } });
  });

  test('a file of another vendor leaves a note, and is reported', () => {
    const { part, dropped } = sent(media({ source: { kind: 'file', id: 'file-1' } }));
    expect(part!.text).toContain('omitted');
    expect(dropped).toEqual(['image by file id']);
  });
});

describe('tools', () => {
  test('functions share one bag, hosted tools have one each', () => {
    const { body } = encoded(
      { tools: [fn('f'), search, fn('g', { schema: { type: 'object', properties: {} } })] },
      third,
    );
    expect(body.tools).toEqual([
      {
        functionDeclarations: [
          { name: 'f', parameters: { type: 'OBJECT', properties: { a: { type: 'STRING' } } } },
          { name: 'g' },
        ],
      },
      { googleSearch: {} },
    ]);
  });

  test('hosted tools beside functions: Gemini 3 is told of it, Vertex not, older models have none', () => {
    const tools = [fn('f'), search];
    expect(encoded({ tools }, third).body.toolConfig).toEqual({ includeServerSideToolInvocations: true });
    expect(encoded({ tools }, { ...third, dialect: 'vertex' }).body.toolConfig).toBeUndefined();
    const { body, dropped } = encoded({ tools });
    expect(body.tools).toMatchObject([{ functionDeclarations: [{ name: 'f' }] }]);
    expect(dropped).toEqual(['tools.web_search: this model has no hosted tools beside functions']);
    expect(encoded({ tools: [search] }).body.tools).toEqual([{ googleSearch: {} }]);
  });

  test('what a hosted tool cannot be told is reported', () => {
    const picky: Tool = {
      ...search,
      allowedDomains: ['a.com'],
      blockedDomains: ['b.com'],
      maxUses: 3,
    } as Tool;
    expect(encoded({ tools: [picky] }).dropped).toEqual([
      'tools.web_search.allowed_domains',
      'tools.web_search.max_uses',
      'tools.web_search.blocked_domains',
    ]);
    expect(encoded({ tools: [picky] }, { dialect: 'vertex' }).body.tools).toEqual([
      { googleSearch: { excludeDomains: ['b.com'] } },
    ]);
  });

  test.each([
    [{ kind: 'auto' }, { mode: 'AUTO' }],
    [{ kind: 'none' }, { mode: 'NONE' }],
    [{ kind: 'required' }, { mode: 'ANY' }],
    [
      { kind: 'tool', name: 'f' },
      { mode: 'ANY', allowedFunctionNames: ['f'] },
    ],
    [
      { kind: 'subset', names: ['f'], required: true },
      { mode: 'ANY', allowedFunctionNames: ['f'] },
    ],
    [
      { kind: 'subset', names: ['f'], required: false },
      { mode: 'VALIDATED', allowedFunctionNames: ['f'] },
    ],
  ])('the choice %j is %j', (toolChoice, functionCallingConfig) => {
    const { body } = encoded({ tools: [fn('f')], toolChoice: toolChoice as never });
    expect(body.toolConfig).toEqual({ functionCallingConfig });
  });

  test('a choice among no functions is not sent, and reported where it meant something', () => {
    expect(encoded({ toolChoice: { kind: 'auto' } })).toMatchObject({
      dropped: [],
      body: { contents: [{}] },
    });
    const { body, dropped } = encoded({ tools: [search], toolChoice: { kind: 'required' } });
    expect([body.toolConfig, dropped]).toEqual([undefined, ['tool_choice']]);
  });

  test('VALIDATED comes back as it was', () => {
    const toolConfig = { functionCallingConfig: { mode: 'VALIDATED' } };
    const own = { contents: 'Hi', tools: [{ functionDeclarations: [{ name: 'f' }] }], toolConfig };
    expect(encoded(decoded(own)).body.toolConfig).toEqual(toolConfig);
  });

  test('an image tool is a way of answering, of models that can', () => {
    const draw: Tool = {
      kind: 'hosted',
      tool: 'image-generation',
      name: 'image_generation',
      foreign: { protocol: 'openai-responses', value: {} },
    };
    const { body, dropped } = encoded({ tools: [draw] }, { model: 'gemini-2.5-flash-image' });
    expect([body.tools, body.generationConfig, dropped]).toEqual([
      undefined,
      { responseModalities: ['TEXT', 'IMAGE'] },
      [],
    ]);
    expect(encoded({ tools: [draw] }).dropped).toEqual(['tools.image_generation']);
  });
});

describe('config', () => {
  const config = (more: Parameters<typeof encoded>[0], target: object = {}): Json => {
    const { body, dropped } = encoded(more, target);
    return { ...(body.generationConfig as Json | undefined), dropped };
  };

  test('values beyond its limits are cut, and reported', () => {
    const stop = ['1', '2', '3', '4', '5', '6'];
    expect(config({ sampling: { stop, temperature: 2.5, seed: 2 ** 31 + 5 } })).toEqual({
      stopSequences: stop.slice(0, 5),
      temperature: 2,
      seed: 5,
      dropped: ['stop sequences after the fifth', 'temperature: 2.5 lowered to 2'],
    });
  });

  test('a schema is compiled and JSON without one is only asked for', () => {
    const schema = { type: 'object', properties: { b: { const: 'x' } }, additionalProperties: false };
    expect(config({ output: { kind: 'schema', schema } })).toEqual({
      responseMimeType: 'application/json',
      responseSchema: {
        type: 'OBJECT',
        properties: { b: { type: 'STRING', enum: ['x'] } },
        propertyOrdering: ['b'],
      },
      dropped: [],
    });
    for (const output of [{ kind: 'json' }, { kind: 'schema', schema: {} }] as const)
      expect(config({ output })).toEqual({ responseMimeType: 'application/json', dropped: [] });
  });

  test('older models cannot have it beside tools: it becomes an instruction, and is reported', () => {
    const schema = { type: 'object', properties: { b: { type: 'string' } } };
    const { body, dropped } = encoded({ tools: [fn('f')], output: { kind: 'schema', schema } });
    expect(body.generationConfig).toBeUndefined();
    expect(JSON.stringify(body.systemInstruction)).toContain(
      JSON.stringify(JSON.stringify(schema)).slice(1, -1),
    );
    expect(dropped).toHaveLength(1);
    expect(config({ tools: [fn('f')], output: { kind: 'json' } }, third)).toMatchObject({
      responseMimeType: 'application/json',
      dropped: [],
    });
  });

  test('Gemini’s own schema goes back in its own words', () => {
    for (const own of [
      { responseSchema: { type: 'STRING', format: 'enum', enum: ['a'] } },
      { responseJsonSchema: { type: 'string' } },
      { _responseJsonSchema: { type: 'string' } },
    ]) {
      const generationConfig = { responseMimeType: 'application/json', ...own };
      expect(encoded(decoded({ contents: 'Hi', generationConfig })).body.generationConfig).toEqual(
        generationConfig,
      );
    }
  });

  test('other kinds of text stay', () => {
    const generationConfig = {
      responseMimeType: 'text/x.enum',
      responseSchema: { type: 'STRING', enum: ['a'] },
    };
    expect(encoded(decoded({ contents: 'Hi', generationConfig })).body.generationConfig).toEqual(
      generationConfig,
    );
  });

  test.each([
    ['default', 'standard'],
    ['standard_only', 'standard'],
    ['flex', 'flex'],
    ['auto', undefined],
  ])('the tier %s is %s', (serviceTier, wanted) => {
    expect(encoded({ serviceTier })).toMatchObject({ dropped: [] });
    expect(encoded({ serviceTier }).body.serviceTier).toBe(wanted as never);
    expect(encoded({ serviceTier: 'gold' }).dropped).toEqual(['service_tier: gold']);
  });
});

describe('thinking', () => {
  const thinking = (reasoning: object, target: object = {}) => {
    const { body, dropped } = encoded({ reasoning }, target);
    return [(body.generationConfig as Json).thinkingConfig, dropped] as const;
  };

  test('levels from Gemini 3 on, budgets before it', () => {
    expect(thinking({ effort: 'high' }, third)).toEqual([
      { thinkingLevel: 'HIGH', includeThoughts: true },
      [],
    ]);
    expect(thinking({ effort: 'high' })).toEqual([{ thinkingBudget: 24_576, includeThoughts: true }, []]);
    expect(thinking({ effort: 'max' })).toEqual([{ thinkingBudget: 24_576, includeThoughts: true }, []]);
    expect(thinking({ budget: 2000 }, third)).toEqual([{ thinkingBudget: 2000, includeThoughts: true }, []]);
    expect(thinking({ effort: 'auto', summary: 'none' })).toEqual([
      { thinkingBudget: -1, includeThoughts: false },
      [],
    ]);
    expect(thinking({ summary: 'auto' })).toEqual([{ includeThoughts: true }, []]);
  });

  test('off is off where it can be, and as little as can be elsewhere', () => {
    for (const off of [{ effort: 'none' }, { budget: 0 }]) {
      expect(thinking(off)).toEqual([{ thinkingBudget: 0 }, []]);
      expect(thinking(off, { model: 'gemini-2.5-pro' })).toEqual([
        { thinkingBudget: 128 },
        ['reasoning: none became a budget of 128'],
      ]);
      expect(thinking(off, third)).toEqual([{ thinkingLevel: 'LOW' }, ['reasoning: none became low']]);
    }
    const card = { id: 'x', thinking: { levels: ['minimal', 'high'] as const } };
    expect(thinking({ effort: 'none' }, { ...third, card })[0]).toEqual({ thinkingLevel: 'MINIMAL' });
  });

  test('a level nobody knows is reported', () => {
    expect(thinking({ effort: 'turbo' })).toEqual([{ includeThoughts: true }, ['reasoning effort turbo']]);
  });
});

test('reports what it cannot say', () => {
  const { dropped } = encoded({
    user: 'u',
    cacheKey: 'k',
    parallelTools: false,
    system: [{ kind: 'text', text: 's', cache: {} }],
    extra: { 'openai-chat': { logit_bias: {}, stream_options: {} } },
    tools: [fn('f', { strict: true })],
  });
  expect(dropped).toEqual([
    'logit_bias',
    'user',
    'prompt_cache_key',
    'parallel_tool_calls',
    'cache_control',
    'tools.f.strict',
  ]);
});
