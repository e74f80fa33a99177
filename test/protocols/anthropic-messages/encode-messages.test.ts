import { describe, expect, test } from 'bun:test';
import { type Json } from '../../../src/core/json.ts';
import type { Message, Part } from '../../../src/core/request.ts';
import { encode, says, text, call, result, look } from './words.ts';

/** How a conversation is written so that Anthropic accepts it. */

describe('encoding messages', () => {
  const messagesOf = (...messages: Message[]): any[] => encode({ messages, tools: [look] }).body.messages;

  test('merges neighbours of one role, but not across a change of role', () => {
    const messages = messagesOf(
      says('user', text('a')),
      says('user', text('b')),
      says('assistant', text('c')),
      says('user', text('d')),
    );
    expect(messages.map(({ role, content }) => [role, content.length])).toEqual([
      ['user', 2],
      ['assistant', 1],
      ['user', 1],
    ]);
  });

  test('puts all results of a turn at the head of one user message, before its words', () => {
    const [, called, answered] = messagesOf(
      says('user', text('go')),
      says('assistant', text('I look'), call('a'), call('b')),
      says('user', result('b', text('B'))),
      says('user', text('and hurry')),
      says('user', result('a', text('A'))),
    );
    expect(called.content.map(({ type }: Json) => type)).toEqual(['text', 'tool_use', 'tool_use']);
    expect(answered.content).toEqual([
      { type: 'tool_result', tool_use_id: 'b', content: 'B' },
      { type: 'tool_result', tool_use_id: 'a', content: 'A' },
      { type: 'text', text: 'and hurry' },
    ]);
  });

  test('gives a call without a result one that says so, also at the end of the conversation', () => {
    const messages = messagesOf(says('user', text('go')), says('assistant', call('a')));
    expect(messages.at(-1)).toMatchObject({
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: 'a', is_error: true }],
    });
  });

  test('lets the last of several results for one call win, at the place of the first', () => {
    const messages = messagesOf(
      says('user', text('go')),
      says('assistant', call('a'), call('b')),
      says('user', result('a', text('old')), result('b', text('B')), result('a', text('new'))),
    );
    expect(messages[2].content.map(({ content }: Json) => content)).toEqual(['new', 'B']);
  });

  test('turns a result without a call into the user’s words', () => {
    const messages = messagesOf(says('user', text('go')), says('user', result('lost', text('found'))));
    expect(messages[0].content.map((block: Json) => block.text)).toEqual([
      'go',
      'Result of tool call lost:',
      'found',
    ]);
  });

  test('sanitises ids the same way in calls and results, and keeps them unique', () => {
    const [, called, answered, again] = messagesOf(
      says('user', text('go')),
      says('assistant', call('call.1'), call('call_1'), call('')),
      says(
        'user',
        result('call_1', text('second')),
        result('call.1', text('first')),
        result('', text('third')),
      ),
      says('assistant', call('call_1')),
    );
    const ids = called.content.map((block: Json) => String(block.id));
    for (const wireId of ids) expect(wireId).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(new Set([...ids, again.content[0].id]).size).toBe(4);
    const byId = new Map(answered.content.map((block: Json) => [block.tool_use_id, block.content]));
    expect(ids.map((wireId: string) => byId.get(wireId))).toEqual(['first', 'second', 'third']);
  });

  test('never sends blank text, nor white space at the end of an answer to go on with', () => {
    const messages = messagesOf(
      says('user', text(''), text(' \n'), text('Hi')),
      says('assistant', text('')),
      says('user', text('still me')),
      says('assistant', text('So \n')),
    );
    expect(messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Hi' },
          { type: 'text', text: 'still me' },
        ],
      },
      { role: 'assistant', content: [{ type: 'text', text: 'So' }] },
    ]);
  });

  test('gives the user the first word, also when there is only a system prompt', () => {
    expect(encode({ system: [text('Write a poem.')], messages: [] }).body.messages).toHaveLength(1);
    expect(messagesOf(says('assistant', text('Hello')))[0].role).toBe('user');
  });

  test('wraps a system message in the middle as a reminder in the user’s turn', () => {
    const { body, dropped } = encode({
      messages: [says('user', text('Hi')), says('system', text('Hurry.')), says('assistant', text('Yes'))],
    });
    expect(body.messages[0].content[1].text).toBe('<system-reminder>\nHurry.\n</system-reminder>');
    expect(dropped).toEqual([]);
  });

  test('keeps results’ images and failures, and says arguments that are no object raw', () => {
    const image: Part = {
      kind: 'media',
      media: 'image',
      mime: '',
      source: { kind: 'url', url: 'https://x' },
    };
    const messages = messagesOf(
      says('user', text('go')),
      says('assistant', call('a', '{"cut'), { ...call('b', 'free'), custom: true } as Part),
      says('user', { ...result('a', image), failed: true } as Part, result('b')),
    );
    expect(messages[1].content.map(({ input }: Json) => input)).toEqual([
      { _raw_arguments: '{"cut' },
      { input: 'free' },
    ]);
    expect(messages[2].content).toEqual([
      {
        type: 'tool_result',
        tool_use_id: 'a',
        content: [{ type: 'image', source: { type: 'url', url: 'https://x' } }],
        is_error: true,
      },
      { type: 'tool_result', tool_use_id: 'b' },
    ]);
  });

  test('sends back only the thoughts that Anthropic sealed, and reports the others once', () => {
    const { body, dropped } = encode({
      messages: [
        says('user', text('go')),
        says(
          'assistant',
          { kind: 'reasoning', text: 'own', seal: { issuer: 'anthropic', value: 's' } },
          { kind: 'reasoning', text: '', seal: { issuer: 'anthropic', value: 'r', redacted: true } },
          { kind: 'reasoning', text: 'theirs', seal: { issuer: 'openai', value: 's' } },
          { kind: 'reasoning', text: 'unsigned' },
          text('done'),
        ),
      ],
    });
    expect(body.messages[1].content).toEqual([
      { type: 'thinking', thinking: 'own', signature: 's' },
      { type: 'redacted_thinking', data: 'r' },
      { type: 'text', text: 'done' },
    ]);
    expect(new Set(dropped)).toEqual(new Set(['reasoning: sealed by another vendor or not at all']));
  });

  test('puts a note where audio or a foreign file stood, and reports it', () => {
    const media = (kind: 'audio' | 'document', mime: string, source: any): Part => ({
      kind: 'media',
      media: kind,
      mime,
      source,
    });
    const { body, dropped } = encode({
      messages: [
        says(
          'user',
          media('audio', 'audio/wav', { kind: 'data', data: 'AA' }),
          media('document', '', { kind: 'file', id: 'file-openai' }),
          media('document', 'text/csv', { kind: 'data', data: btoa('a,b') }),
        ),
      ],
    });
    expect(body.messages[0].content.map((block: any) => block.text ?? block.source.data)).toEqual([
      "[audio omitted: not supported by this model's API]",
      "[document omitted: not supported by this model's API]",
      'a,b',
    ]);
    expect(dropped).toEqual(['messages[0].content[0]: audio', 'messages[0].content[1]: document']);
  });
});
