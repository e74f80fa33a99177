import { describe, expect, test } from 'bun:test';
import { kiroProtocol } from '../../src/channels/kiro/protocol.ts';
import { modelIdOf } from '../../src/channels/kiro/models.ts';
import type { Json } from '../../src/core/json.ts';
import type { ChatRequest, Message, Part } from '../../src/core/request.ts';
import { kiroFault } from '../support/kiro-checks.ts';
import { random } from '../support/random.ts';

/** What a request becomes on the wire that answers "Improperly formed request" to anything unusual. */

const text = (words: string): Part => ({ kind: 'text', text: words });
const user = (...parts: readonly Part[]): Message => ({ role: 'user', parts });
const assistant = (...parts: readonly Part[]): Message => ({ role: 'assistant', parts });
const call = (callId: string, name = 'look_up', args = '{"q":1}'): Part => ({
  kind: 'tool-call',
  callId,
  name,
  args,
});
const result = (callId: string, words: string, failed = false): Part => ({
  kind: 'tool-result',
  callId,
  parts: words === '' ? [] : [text(words)],
  failed,
});
const tool = {
  kind: 'function',
  name: 'look_up',
  description: 'Looks up.',
  schema: { type: 'object' },
} as const;

interface Encoded {
  /** The message to be answered. */
  readonly current: any;
  readonly history: readonly any[];
  readonly body: any;
  readonly drops: readonly string[];
}

function encoded(more: Partial<ChatRequest>): Encoded {
  const drops: string[] = [];
  const request: ChatRequest = {
    model: 'm',
    system: [],
    messages: [user(text('Hi'))],
    tools: [],
    sampling: {},
    stream: true,
    extra: {},
    ...more,
  };
  const body = kiroProtocol.upstream!.encodeRequest(request, {
    model: 'kiro-claude-sonnet-4-5',
    drop: (what) => drops.push(what),
  }) as any;
  expect(kiroFault(body as Json, { method: 'idc', profileArn: undefined })).toBeUndefined();
  const { currentMessage, history = [] } = body.conversationState;
  return { current: currentMessage.userInputMessage, history, body, drops };
}

describe('instructions', () => {
  const system = [text('Be brief.')];

  test('stand before the first words of the user, on the first turn and on every later one', () => {
    const first = encoded({ system });
    expect(first.current.content).toBe('--- SYSTEM PROMPT ---\nBe brief.\n--- END SYSTEM PROMPT ---\n\nHi');
    const later = encoded({
      system,
      messages: [user(text('Hi')), assistant(text('Hello')), user(text('And?'))],
    });
    expect(later.history[0].userInputMessage.content).toBe(first.current.content);
    expect(later.current.content).toBe('And?');
  });

  test('in the middle of a conversation are marked as a reminder', () => {
    const { current } = encoded({
      messages: [user(text('Hi')), { role: 'system', parts: [text('Now in French.')] }],
    });
    expect(current.content).toBe('Hi\n\n<system-reminder>\nNow in French.\n</system-reminder>');
  });

  test('carry the wish to think, by budget or by effort, and none when it is switched off', () => {
    const length = (reasoning: ChatRequest['reasoning']) =>
      /<max_thinking_length>(\d+)</.exec(encoded(reasoning ? { reasoning } : {}).current.content)?.[1];
    expect(length({ budget: 4096 })).toBe('4096');
    expect(length({ effort: 'medium' })).toBe('8192');
    expect(length({ effort: 'max' })).toBe('32000');
    expect(length({ effort: 'auto', budget: -1 })).toBe('16000');
    for (const off of [undefined, { effort: 'none' }, { budget: 0 }, { summary: 'auto' }])
      expect(length(off)).toBeUndefined();
  });
});

describe('turns', () => {
  test('alternate: same roles become one, the user begins, and nothing is empty', () => {
    const { history, current } = encoded({
      messages: [assistant(text('Welcome')), assistant(text('!')), user(text('One')), user(text('Two'))],
    });
    expect(history.map((entry) => Object.keys(entry)[0])).toEqual([
      'userInputMessage',
      'assistantResponseMessage',
    ]);
    expect(history[0].userInputMessage.content).toBe('.');
    expect(history[1].assistantResponseMessage.content).toBe('Welcome\n\n!');
    expect(current.content).toBe('One\n\nTwo');
  });

  test('an answer to go on with goes into the history, and that is reported', () => {
    const { history, current, drops } = encoded({ messages: [user(text('Hi')), assistant(text('Well,'))] });
    expect(history[1].assistantResponseMessage.content).toBe('Well,');
    expect(current.content).toBe('Continue');
    expect(drops).toEqual([
      'messages[1]: an answer cannot be gone on with here; the model is asked to continue',
    ]);
  });

  test('a request without messages asks for something all the same', () => {
    expect(encoded({ messages: [] }).current.content).toBe('Continue');
  });

  test('pictures go as bytes; what the wire cannot carry leaves a note and is reported', () => {
    const { current, drops } = encoded({
      messages: [
        user(
          text('Look'),
          { kind: 'media', media: 'image', mime: 'image/jpeg', source: { kind: 'data', data: 'AAAA' } },
          {
            kind: 'media',
            media: 'image',
            mime: '',
            source: { kind: 'url', url: 'https://example.com/a.png' },
          },
          {
            kind: 'media',
            media: 'document',
            mime: 'text/plain',
            source: { kind: 'data', data: btoa('a note') },
          },
        ),
      ],
    });
    expect(current.images).toEqual([{ format: 'jpeg', source: { bytes: 'AAAA' } }]);
    expect(current.content).toContain('[image omitted');
    expect(current.content).toContain('a note');
    expect(drops).toEqual(['messages[0].content[2]: image']);
  });

  test('thoughts of earlier turns are left out and reported', () => {
    const { history, drops } = encoded({
      messages: [
        user(text('Hi')),
        assistant({ kind: 'reasoning', text: 'Hm.' }, text('Hello')),
        user(text('?')),
      ],
    });
    expect(JSON.stringify(history)).not.toContain('Hm.');
    expect(drops).toEqual(['reasoning: the wire has no place for thoughts of earlier turns']);
  });
});

describe('calls and their results', () => {
  const asked = [user(text('Go')), assistant(text('Let me see.'), call('a'), call('b'))];

  test('stand in pairs, with pictures of a result beside it', () => {
    const { history, current } = encoded({
      tools: [tool],
      messages: [
        ...asked,
        user(
          {
            kind: 'tool-result',
            callId: 'a',
            failed: false,
            parts: [
              text('sun'),
              { kind: 'media', media: 'image', mime: 'image/png', source: { kind: 'data', data: 'AAAA' } },
            ],
          },
          result('b', 'rain', true),
        ),
      ],
    });
    expect(history[1].assistantResponseMessage.toolUses).toEqual([
      { toolUseId: 'a', name: 'look_up', input: { q: 1 } },
      { toolUseId: 'b', name: 'look_up', input: { q: 1 } },
    ]);
    expect(current.content).toBe('Tool results provided.');
    expect(current.images).toHaveLength(1);
    expect(current.userInputMessageContext.toolResults).toEqual([
      { toolUseId: 'a', status: 'success', content: [{ text: 'sun' }] },
      { toolUseId: 'b', status: 'error', content: [{ text: 'rain' }] },
    ]);
  });

  test('a missing result is noted, an orphan becomes text, and a second one replaces the first and is reported', () => {
    const { current, drops } = encoded({
      tools: [tool],
      messages: [...asked, user(result('a', 'old'), result('a', 'new'), result('zz', 'lost'))],
    });
    expect(current.userInputMessageContext.toolResults).toEqual([
      { toolUseId: 'a', status: 'success', content: [{ text: 'new' }] },
      { toolUseId: 'b', status: 'error', content: [{ text: 'No result was recorded for this call.' }] },
    ]);
    expect(current.content).toBe('Result of tool call zz:\nlost');
    expect(drops).toEqual(['messages[2].content[1]: an earlier result of the same call gave way to it']);
  });

  test('calls at the end of a conversation are answered, so that it can be sent', () => {
    const { current } = encoded({ tools: [tool], messages: asked });
    expect(current.userInputMessageContext.toolResults).toHaveLength(2);
  });

  test('ids of another alphabet, too long or used twice are spelled anew, the same in call and result', () => {
    const long = 'x'.repeat(80);
    const { history, current } = encoded({
      tools: [tool],
      messages: [
        user(text('Go')),
        assistant(call('a:1'), call(long), call(`${long}y`)),
        user(result('a:1', '1'), result(long, '2'), result(`${long}y`, '3')),
      ],
    });
    const ids = history[1].assistantResponseMessage.toolUses.map((use: any) => use.toolUseId);
    expect(ids).toEqual(['a_1', 'x'.repeat(64), `${'x'.repeat(60)}_2`]);
    expect(current.userInputMessageContext.toolResults.map((each: any) => each.content[0].text)).toEqual([
      '1',
      '2',
      '3',
    ]);
  });

  test('arguments that are no object are kept word for word', () => {
    const { history } = encoded({
      tools: [tool],
      messages: [user(text('Go')), assistant(call('a', 'look_up', '{"broken')), user(result('a', 'ok'))],
    });
    expect(history[1].assistantResponseMessage.toolUses[0].input).toEqual({ _raw_arguments: '{"broken' });
  });
});

describe('tools', () => {
  const specs = (more: Partial<ChatRequest>) => {
    const { current, drops } = encoded(more);
    const tools: any[] = current.userInputMessageContext?.tools ?? [];
    return { tools: tools.map((each) => each.toolSpecification), content: current.content as string, drops };
  };

  test('have a description of at most 10237 bytes and an object schema', () => {
    const description = `${'ä'.repeat(5118)}ö😀`;
    const { tools, drops } = specs({
      tools: [
        { kind: 'function', name: 'bare', schema: { required: [] } },
        { kind: 'function', name: 'wordy', description, schema: { type: 'object', required: ['a'] } },
      ],
    });
    expect(tools[0]).toEqual({
      name: 'bare',
      description: 'The tool bare.',
      inputSchema: { json: { type: 'object', properties: {} } },
    });
    expect(tools[1].description).toBe('ä'.repeat(5118));
    expect(tools[1].inputSchema.json.required).toEqual(['a']);
    expect(drops).toEqual(['tools[1].description: cut to 10237 bytes']);
  });

  test('have no keyword at any depth that the service refuses; names that look like one stay', () => {
    const schema = {
      type: 'object',
      additionalProperties: false,
      properties: {
        required: { type: 'array', items: { type: 'object', required: [], additionalProperties: true } },
        map: { type: 'object', additionalProperties: { type: 'string' } },
        any: { anyOf: [{ type: 'object', required: [] }, { enum: [{ required: 1 }] }] },
      },
      required: ['required'],
    };
    const { tools, drops } = specs({ tools: [{ kind: 'function', name: 'f', schema }] });
    expect(tools[0].inputSchema.json).toEqual({
      type: 'object',
      properties: {
        required: { type: 'array', items: { type: 'object' } },
        map: { type: 'object' },
        any: { anyOf: [{ type: 'object' }, { enum: [{ required: 1 }] }] },
      },
      required: ['required'],
    });
    expect(drops).toEqual(['tools[0]: additionalProperties', 'tools[0]: additionalProperties']);
  });

  test('of earlier turns are defined, because calls of unknown tools are refused', () => {
    const messages = [user(text('Go')), assistant(call('a', 'gone')), user(result('a', 'ok'))];
    expect(specs({ messages, tools: [tool] }).tools.map(({ name }) => name)).toEqual(['look_up', 'gone']);
  });

  test.each([
    [{ kind: 'auto' }, undefined],
    [{ kind: 'required' }, 'You must call at least one of the tools in this turn.'],
    [{ kind: 'tool', name: 'look_up' }, 'You must call the tool "look_up" in this turn.'],
  ] as const)('the choice %j is asked for in words and reported', (toolChoice, sentence) => {
    const { content, drops } = specs({ tools: [tool], toolChoice });
    expect(content).toBe(sentence === undefined ? 'Hi' : `Hi\n\n${sentence}`);
    expect(drops).toEqual(sentence === undefined ? [] : ['tool_choice: asked for in words']);
  });

  test('are not offered when none may be called, and only some when some may', () => {
    const other = { ...tool, name: 'other' };
    expect(specs({ tools: [tool], toolChoice: { kind: 'none' } })).toMatchObject({
      tools: [],
      content: 'Hi',
      drops: [],
    });
    const subset = specs({
      tools: [tool, other],
      toolChoice: { kind: 'subset', names: ['other'], required: false },
    });
    expect(subset.tools.map(({ name }) => name)).toEqual(['other']);
  });

  test('that a vendor runs are reported', () => {
    const hosted = {
      kind: 'hosted',
      name: 'web_search',
      tool: 'web-search',
      foreign: { protocol: 'x', value: {} },
    } as const;
    expect(specs({ tools: [hosted] })).toMatchObject({ tools: [], drops: ['tools[0]: web-search'] });
  });
});

test('structured output is asked for in words, and what has no field is reported', () => {
  const { current, drops, body } = encoded({
    output: { kind: 'schema', schema: { type: 'object', properties: { a: {} } } },
    sampling: { maxTokens: 100, temperature: 0.5, topP: 0.9, topK: 3, stop: ['x'], seed: 1 },
    parallelTools: false,
    tools: [tool],
    user: 'u',
    cacheKey: 'k',
    serviceTier: 'auto',
    extra: { 'openai-chat': { logit_bias: {}, stream_options: {} } },
  });
  expect(body.inferenceConfig).toEqual({ maxTokens: 100, temperature: 0.5, topP: 0.9 });
  expect(current.content).toContain('{"type":"object","properties":{"a":{}}}');
  expect(drops.toSorted()).toEqual(
    [
      'logit_bias',
      'parallel_tool_calls: asked for in words',
      'prompt_cache_key',
      'response_format: asked for in words',
      'seed',
      'stop',
      'top_k',
      'user',
    ].toSorted(),
  );
});

test.each([
  ['kiro-claude-sonnet-4-5', 'claude-sonnet-4.5'],
  ['kiro-claude-sonnet-4-5-agentic', 'claude-sonnet-4.5'],
  ['kiro-claude-sonnet-4', 'claude-sonnet-4'],
  ['amazonq-claude-opus-4-5', 'claude-opus-4.5'],
  ['kiro-auto', 'auto'],
  ['claude-sonnet-4.5', 'claude-sonnet-4.5'],
  ['something-7-2', 'something-7-2'],
])('%s is %s to the service, and no other model in silence', (name, id) => {
  expect(modelIdOf(name)).toBe(id);
});

test('whatever a conversation looks like, the service takes it', () => {
  const dice = random(7);
  const part = (): Part => {
    const id = dice.pick(['a', 'b', 'c:1', '']);
    return dice.pick<Part>([
      text(dice.text(20)),
      text(''),
      call(id, dice.pick(['look_up', 'gone']), dice.pick(['{}', '', 'x', '{"a":[1]}'])),
      result(id, dice.pick(['', 'ok', ' ']), dice.oneIn(3)),
      { kind: 'reasoning', text: 'hm' },
      { kind: 'refusal', text: 'no' },
      { kind: 'media', media: 'image', mime: 'image/png', source: { kind: 'data', data: 'AAAA' } },
    ]);
  };
  for (let round = 0; round < 500; round++) {
    const messages = dice.list(8, (): Message => ({
      role: dice.pick(['user', 'assistant', 'system']),
      parts: dice.list(4, part),
    }));
    encoded({
      messages,
      tools: dice.oneIn(2) ? [tool] : [],
      system: dice.oneIn(2) ? [text('Be brief.')] : [],
    });
  }
});
