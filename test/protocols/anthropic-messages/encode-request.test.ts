import { describe, expect, test } from 'bun:test';
import { type Json } from '../../../src/core/json.ts';
import type { ModelCard } from '../../../src/core/model.ts';
import type { ChatRequest, Part, Tool } from '../../../src/core/request.ts';
import { id, encode, says, text, call, result, look } from './words.ts';

/** How a request's settings are written so that Anthropic accepts them. */

describe('encoding tools', () => {
  const chosen = (changes: Partial<ChatRequest>) => encode({ tools: [look], ...changes }).body.tool_choice;

  test('says every choice, and no parallel calls', () => {
    expect(chosen({})).toBeUndefined();
    expect(chosen({ toolChoice: { kind: 'none' } })).toEqual({ type: 'none' });
    expect(chosen({ toolChoice: { kind: 'required' }, parallelTools: false })).toEqual({
      type: 'any',
      disable_parallel_tool_use: true,
    });
    expect(chosen({ parallelTools: false })).toEqual({ type: 'auto', disable_parallel_tool_use: true });
    expect(chosen({ tools: [], toolChoice: { kind: 'required' } })).toBeUndefined();
  });

  test('offers only the tools of a subset', () => {
    const other: Tool = { ...look, name: 'other' };
    const { body } = encode({
      tools: [look, other],
      toolChoice: { kind: 'subset', names: ['other'], required: true },
    });
    expect(body.tools.map(({ name }: Json) => name)).toEqual(['other']);
    expect(body.tool_choice).toEqual({ type: 'any' });
  });

  const search = (foreign: { protocol: string; value: Json }): Tool => ({
    kind: 'hosted',
    tool: 'web-search',
    name: 'web_search_preview',
    allowedDomains: [],
    foreign,
  });

  test('says another vendor’s web search in its own words, and is chosen by its own name', () => {
    const { body, dropped } = encode({
      tools: [search({ protocol: 'openai-responses', value: { type: 'web_search_preview' } })],
      toolChoice: { kind: 'tool', name: 'web_search_preview' },
    });
    expect(body.tools).toEqual([{ type: 'web_search_20250305', name: 'web_search' }]);
    expect(body.tool_choice).toEqual({ type: 'tool', name: 'web_search' });
    expect(dropped).toEqual([]);
  });

  test('removes empty domain lists from a web search, and reports hosted tools it has no like of', () => {
    const value = { type: 'web_search_20250305', name: 'web_search', allowed_domains: [], max_uses: 1 };
    const { body, dropped } = encode({
      tools: [
        search({ protocol: id, value }),
        { kind: 'hosted', tool: 'image-generation', name: 'image', foreign: { protocol: 'x', value: {} } },
      ],
      toolChoice: { kind: 'tool', name: 'image' },
    });
    expect(body.tools).toEqual([{ type: 'web_search_20250305', name: 'web_search', max_uses: 1 }]);
    expect(body.tool_choice).toBeUndefined();
    expect(dropped).toEqual(['tools[1]: image', 'tool_choice: image is not among the tools']);
  });

  test('sends a free-text tool as a function of one input', () => {
    const { body, dropped } = encode({
      tools: [{ kind: 'custom', name: 'patch', format: { type: 'grammar' }, cache: {} }],
    });
    expect(body.tools[0]).toMatchObject({
      name: 'patch',
      input_schema: { required: ['input'] },
      cache_control: { type: 'ephemeral' },
    });
    expect(dropped).toEqual(['tools[0].format']);
  });
});

describe('encoding thinking', () => {
  const levels: ModelCard = {
    id: 'm',
    maxOutputTokens: 64_000,
    thinking: { levels: ['low', 'medium', 'high', 'max'] },
  };
  const budgets: ModelCard = { id: 'm', maxOutputTokens: 64_000, thinking: { min: 1024, max: 128_000 } };
  const thinking = (changes: Partial<ChatRequest>, card?: ModelCard) => {
    const { body, dropped } = encode(changes, card);
    return { thinking: body.thinking, effort: body.output_config?.effort, max: body.max_tokens, dropped };
  };

  test('asks a model with levels by effort', () => {
    expect(thinking({ reasoning: { effort: 'high', summary: 'detailed' } }, levels)).toMatchObject({
      thinking: { type: 'adaptive', display: 'summarized' },
      effort: 'high',
    });
    expect(thinking({ reasoning: { effort: 'auto' } }, levels)).toMatchObject({
      thinking: { type: 'adaptive' },
      effort: undefined,
    });
    expect(thinking({ reasoning: { effort: 'minimal' } }, levels).effort).toBe('low');
    expect(thinking({ reasoning: { effort: 'xhigh' } }, levels).effort).toBe('max');
  });

  test('asks a model without levels by a budget of at least 1024', () => {
    expect(thinking({ reasoning: { effort: 'medium' } }, budgets).thinking).toEqual({
      type: 'enabled',
      budget_tokens: 8192,
    });
    expect(thinking({ reasoning: { effort: 'minimal' } }, budgets).thinking.budget_tokens).toBe(1024);
  });

  test('keeps a given budget, switches off when asked, and leaves alone what nobody asked for', () => {
    expect(thinking({ reasoning: { budget: 3000 } }, levels).thinking).toEqual({
      type: 'enabled',
      budget_tokens: 3000,
    });
    expect(thinking({ reasoning: { effort: 'none' } }).thinking).toEqual({ type: 'disabled' });
    expect(thinking({}).thinking).toBeUndefined();
    expect(thinking({ reasoning: { effort: 'high' } }, { id: 'm', thinking: null }).thinking).toBeUndefined();
  });

  test('leaves a quarter of max_tokens for the answer, or switches off where there is no room', () => {
    expect(thinking({ reasoning: { budget: 9000 }, sampling: { maxTokens: 4096 } })).toMatchObject({
      thinking: { budget_tokens: 3072 },
      max: 4096,
      dropped: ['reasoning: budget 9000 lowered to 3072 by max_tokens'],
    });
    const none = thinking({ reasoning: { effort: 'high' }, sampling: { maxTokens: 500 } });
    expect(none.thinking).toBeUndefined();
    expect(none.dropped).toHaveLength(1);
  });

  test('fills in max_tokens: the model’s, else 8192, and more where a budget needs it', () => {
    expect(thinking({}, levels).max).toBe(64_000);
    expect(thinking({}).max).toBe(8192);
    expect(thinking({ reasoning: { budget: 20_000 } }).max).toBe(28_192);
  });

  test('gives way to a forced tool choice', () => {
    const {
      thinking: none,
      effort,
      dropped,
    } = thinking({ reasoning: { effort: 'high' }, tools: [look], toolChoice: { kind: 'required' } }, levels);
    expect([none, effort]).toEqual([undefined, undefined]);
    expect(dropped).toEqual(['reasoning: a forced tool choice excludes it']);
  });

  const loop = (...first: Part[]) => ({
    reasoning: { budget: 2000 },
    tools: [look],
    messages: [
      says('user', text('go')),
      says('assistant', ...first, call('a')),
      says('user', result('a', text('A'))),
    ],
  });

  test('is switched off for a turn of tool calls that lost its thought', () => {
    const lost = thinking(
      loop({ kind: 'reasoning', text: 'hm', seal: { issuer: 'openai', value: 's' } }),
      budgets,
    );
    expect(lost.thinking).toBeUndefined();
    expect(lost.dropped).toContain(
      'reasoning: switched off, because the thought before the last tool call is missing',
    );
    const kept = thinking(
      loop({ kind: 'reasoning', text: 'hm', seal: { issuer: 'anthropic', value: 's' } }),
      budgets,
    );
    expect(kept.thinking).toBeDefined();
  });

  test('stays on when the next word is the user’s, and when the model chooses for itself', () => {
    const { messages, ...rest } = loop();
    expect(
      thinking({ ...rest, messages: [...messages, says('user', text('next'))] }).thinking,
    ).toBeUndefined();
    const done = [...messages, says('assistant', text('done')), says('user', text('next'))];
    expect(thinking({ ...rest, messages: done }, budgets).thinking).toBeDefined();
    expect(thinking({ ...rest, messages, reasoning: { effort: 'high' } }, levels).thinking).toBeDefined();
  });

  test('binds the sampling', () => {
    const sampling = { temperature: 0.5, topP: 0.5, topK: 40 };
    const thinks = encode({ sampling, reasoning: { effort: 'high' } }, levels);
    expect(thinks.body).not.toContainAnyKeys(['temperature', 'top_p', 'top_k']);
    expect(thinks.dropped).toHaveLength(3);
    const fine = encode({ sampling: { temperature: 1, topP: 0.97 }, reasoning: { effort: 'high' } }, levels);
    expect(fine.body).toMatchObject({ temperature: 1, top_p: 0.97 });
    expect(fine.dropped).toEqual([]);
  });
});

describe('encoding a request', () => {
  test('clamps the temperature to 1, and lets it exclude top_p', () => {
    const { body, dropped } = encode({ sampling: { temperature: 1.5, topP: 0.9 } });
    expect(body.temperature).toBe(1);
    expect(body.top_p).toBeUndefined();
    expect(dropped).toEqual(['temperature: 1.5 became 1', 'top_p: excluded by temperature']);
    expect(encode({ sampling: { topP: 0.9 } }).body.top_p).toBe(0.9);
  });

  test('reports what the API has no words for', () => {
    const { dropped } = encode({
      sampling: {
        seed: 1,
        presencePenalty: 1,
        frequencyPenalty: 1,
        choices: 2,
        logprobs: {},
        stop: [' ', 'END'],
      },
      cacheKey: 'k',
      serviceTier: 'flex',
      extra: { 'openai-chat': { logit_bias: { 1: 2 } } },
    });
    expect(new Set(dropped)).toEqual(
      new Set([
        'seed',
        'presence_penalty',
        'frequency_penalty',
        'n',
        'logprobs',
        'stop: blank sequences',
        'prompt_cache_key',
        'service_tier: flex',
        'logit_bias',
      ]),
    );
  });

  test('passes the user on as the client wrote it', () => {
    expect(encode({ user: 'u-1' }).body.metadata).toEqual({ user_id: 'u-1' });
    expect(encode({}).body.metadata).toBeUndefined();
  });

  test('asks for a schema by format, with refused keywords in words', () => {
    const schema = {
      type: 'object',
      properties: {
        n: { type: 'integer', minimum: 1, description: 'Count.' },
        minimum: { oneOf: [{ type: 'string', maxLength: 3 }, { type: 'null' }] },
      },
      required: ['n'],
    };
    const { body, dropped } = encode({ output: { kind: 'schema', name: 'out', schema } });
    expect(body.output_config.format).toEqual({
      type: 'json_schema',
      schema: {
        type: 'object',
        properties: {
          n: { type: 'integer', description: 'Count. {minimum: 1}' },
          minimum: { anyOf: [{ type: 'string', description: '{maxLength: 3}' }, { type: 'null' }] },
        },
        required: ['n'],
        additionalProperties: false,
      },
    });
    expect(dropped).toEqual(['response_format: minimum, maxLength by description']);
  });

  test('asks for plain JSON by a sentence, and says so', () => {
    const { body, dropped } = encode({ output: { kind: 'json' }, system: [text('Be brief.')] });
    expect(body.system).toHaveLength(2);
    expect(body.system[1].text).toContain('JSON object');
    expect(dropped).toEqual(['response_format: json object by instruction']);
  });

  const marked = (value: string, ttl?: '5m' | '1h'): Part => ({
    kind: 'text',
    text: value,
    cache: ttl ? { ttl } : {},
  });

  test('keeps the four most valuable cache marks', () => {
    const { body, dropped } = encode({
      tools: [
        { ...look, cache: {} },
        { ...look, name: 'b', cache: {} },
      ],
      system: [marked('s1'), marked('s2')],
      messages: [says('user', marked('m1')), says('assistant', text('x')), says('user', marked('m2'))],
    });
    const has = (block: Json) => block.cache_control !== undefined;
    expect(body.system.map(has)).toEqual([false, true]);
    expect(body.tools.map(has)).toEqual([false, true]);
    expect(body.messages.map(({ content }: any) => has(content[0]))).toEqual([true, false, true]);
    expect(dropped).toEqual(['cache_control: 2 more than the 4 Anthropic accepts']);
  });

  test('drops the oldest messages’ marks next, and counts automatic caching and results’ inner blocks', () => {
    const { body } = encode({
      messages: [
        says('user', marked('m1')),
        says('assistant', call('a')),
        says('user', result('a', marked('inner'))),
        says('assistant', marked('m2')),
        says('user', marked('m3')),
      ],
      extra: { [id]: { cache_control: { type: 'ephemeral' } } },
    });
    expect(JSON.stringify(body.messages).match(/cache_control/g)).toHaveLength(3);
    expect(body.messages[0].content[0].cache_control).toBeUndefined();
  });

  test('shortens an hour’s mark that follows one of five minutes', () => {
    const { body } = encode({ system: [marked('a', '1h'), marked('b', '5m'), marked('c', '1h')] });
    expect(body.system.map(({ cache_control }: any) => cache_control.ttl)).toEqual(['1h', '5m', undefined]);
  });
});
