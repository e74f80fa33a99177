import { describe, expect, test } from 'bun:test';
import type { ChatRequest, Message } from '../../src/core/request.ts';
import { conversationOf, derivedSession, openingOf, sessionOf } from '../../src/relay/session.ts';

const uuid = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
const read = (headers: Record<string, string>, body: Record<string, unknown> = {}) =>
  sessionOf(new Headers(headers), body);

describe('the name of a conversation', () => {
  test.each([
    ['x-claude-code-session-id', { 'X-Claude-Code-Session-Id': 'a' }, {}, 'a'],
    ['metadata.user_id', {}, { metadata: { user_id: `user_9f86_account__session_${uuid}` } }, uuid],
    ['metadata.user_id', {}, { metadata: { user_id: JSON.stringify({ session_id: 'a' }) } }, 'a'],
    ['session-id', { 'Session-Id': 'a' }, {}, 'a'],
    ['session_id', { session_id: 'a' }, {}, 'a'],
    ['x-session-id', { 'X-Session-ID': 'a' }, {}, 'a'],
    ['x-session-affinity', { 'X-Session-Affinity': 'a' }, {}, 'a'],
    ['x-client-request-id', { 'X-Client-Request-Id': 'a' }, {}, 'a'],
    ['session_id', {}, { session_id: 'a' }, 'a'],
    ['sessionId', {}, { sessionId: 'a' }, 'a'],
    ['prompt_cache_key', {}, { prompt_cache_key: 'a' }, 'a'],
    ['conversation', {}, { conversation: 'a' }, 'a'],
    ['conversation', {}, { conversation: { id: 'a' } }, 'a'],
    ['metadata.user_id', {}, { metadata: { user_id: 'somebody' } }, 'somebody'],
    ['conversation_id', {}, { conversation_id: 'a' }, 'a'],
  ])('is read from %s', (from, headers, body, id) => {
    expect(read(headers as unknown as Record<string, string>, body)).toEqual({ id, from });
  });

  test('is the surest of several', () => {
    const body = { prompt_cache_key: 'key', conversation_id: 'c', metadata: { user_id: 'somebody' } };
    expect(read({ 'x-session-id': 's', 'x-client-request-id': 'r' }, body)).toEqual({
      id: 's',
      from: 'x-session-id',
    });
    expect(read({}, body)?.id).toBe('key');
  });

  test.each([
    ['nothing', {}],
    ['an empty name', { session_id: ' ' }],
    ['a number', { session_id: 7 }],
    ['a control character', { session_id: 'a\u0007b' }],
    ['more than 256 characters', { session_id: 'x'.repeat(257) }],
    ['a conversation without an id', { conversation: {} }],
  ])('is not %s', (_, body) => {
    expect(read({}, body)).toBeUndefined();
  });

  test('is taken from the next place when the first one holds none', () => {
    expect(read({ 'x-session-id': 'x'.repeat(300) }, { conversation_id: 'c' })?.id).toBe('c');
  });
});

describe('a conversation that nobody named', () => {
  const user = (text: string): Message => ({ role: 'user', parts: [{ kind: 'text', text }] });
  const request = (system: string, ...messages: Message[]): ChatRequest => ({
    model: 'm',
    system: [{ kind: 'text', text: system }],
    messages,
    tools: [],
    sampling: {},
    stream: false,
    extra: {},
  });
  const model: Message = { role: 'assistant', parts: [{ kind: 'text', text: 'Hi.' }] };

  test('keeps its name while it grows', () => {
    const first = derivedSession(request('Be kind.', user('Hello')));
    expect(derivedSession(request('Be kind.', user('Hello'), model, user('More')))).toBe(first);
    expect(derivedSession(request('Be rude.', user('Hello')))).not.toBe(first);
    expect(derivedSession(request('Be kind.', user('Hallo')))).not.toBe(first);
    expect(derivedSession(request('Be kind.Hello', user('')))).not.toBe(first);
  });

  test('opens each turn with what the user said last in words', () => {
    const result: Message = {
      role: 'user',
      parts: [{ kind: 'tool-result', callId: 'a', parts: [], failed: false }],
    };
    expect(openingOf([user('One'), model, user('Two'), model, result])).toBe('Two');
    expect(openingOf([])).toBe('');
  });
});

describe('a conversation that nobody named, without decoding its body', () => {
  const bodies: Record<string, (turns: number) => Record<string, unknown>> = {
    'Chat Completions': (turns) => ({
      messages: [
        { role: 'system', content: 'Be kind.' },
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: {} },
            { type: 'text', text: 'Hello' },
          ],
        },
        ...(turns > 1
          ? [
              { role: 'assistant', content: 'Hi' },
              { role: 'user', content: 'More' },
            ]
          : []),
        ...(turns > 2
          ? [
              { role: 'assistant', content: 'Well' },
              { role: 'user', content: 'Even more' },
            ]
          : []),
      ],
    }),
    Messages: (turns) => ({
      system: [{ type: 'text', text: 'Be kind.' }],
      messages: [
        { role: 'user', content: 'Hello' },
        ...(turns > 1 ? [{ role: 'assistant', content: [{ type: 'text', text: 'Hi' }] }] : []),
        ...(turns > 2 ? [{ role: 'user', content: 'More' }] : []),
      ],
    }),
    Gemini: (turns) => ({
      systemInstruction: { parts: [{ text: 'Be kind.' }] },
      contents: [
        { role: 'user', parts: [{ text: 'Hello' }] },
        ...(turns > 1 ? [{ role: 'model', parts: [{ text: 'Hi' }] }] : []),
        ...(turns > 2 ? [{ role: 'user', parts: [{ text: 'More' }] }] : []),
      ],
    }),
    Responses: (turns) => ({
      instructions: 'Be kind.',
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'Hello' }] },
        ...(turns > 1
          ? [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Hi' }] }]
          : []),
        ...(turns > 2 ? [{ role: 'user', content: 'More' }] : []),
      ],
    }),
  };

  test.each(Object.entries(bodies))('goes on through its turns in %s', (_, body) => {
    const [first, second, third] = [1, 2, 3].map((turns) =>
      conversationOf(new Headers(), body(turns), 'mine'),
    );
    expect(first).toMatchObject({ follows: false });
    expect(second).toMatchObject({ alias: first!.id, follows: true });
    expect(third).toEqual(second);
  });

  test('is another one when it began otherwise', () => {
    const said = (text: string, answer: string) =>
      conversationOf(
        new Headers(),
        {
          messages: [
            { role: 'user', content: text },
            { role: 'assistant', content: answer },
          ],
        },
        'mine',
      )?.id;
    expect(new Set([said('a', 'x'), said('b', 'x'), said('a', 'y')]).size).toBe(3);
  });

  test.each([
    ['named by its client', new Headers({ 'x-session-id': 'a' }), {}],
    ['that begins alike', new Headers(), { messages: [{ role: 'user', content: 'Hello' }] }],
  ])('%s is another one for another client or model', (_, headers, body) => {
    const [mine, again, theirs] = ['me model', 'me model', 'you model'].map(
      (scope) => conversationOf(headers, body, scope)?.id,
    );
    expect(again).toBe(mine!);
    expect(theirs).not.toBe(mine!);
  });

  test('is told from thousands that differ in a character', () => {
    const ids = Array.from({ length: 10_000 }, (_, n) => {
      const messages = [{ role: 'user', content: `Question ${n}` }];
      return conversationOf(new Headers(), { system: 'Be kind.', messages }, 'mine')?.id;
    });
    expect(new Set(ids).size).toBe(10_000);
  });

  test('is none where nothing was said in words', () => {
    expect(conversationOf(new Headers(), {}, 'mine')).toBeUndefined();
    expect(conversationOf(new Headers(), { messages: 7, input: [null, 3] }, 'mine')).toBeUndefined();
    expect(conversationOf(new Headers(), { input: 'Hello' }, 'mine')).toMatchObject({ follows: false });
  });
});
