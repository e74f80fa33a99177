import { describe, expect, test } from 'bun:test';
import { GatewayError } from '../../src/core/error.ts';
import { fold, folding, noUsage, unfold, type ChatEvent, type Reply } from '../../src/core/event.ts';
import { expectGrammar, grammarFaults } from '../support/grammar.ts';
import { random } from '../support/random.ts';
import { anyReply } from '../support/replies.ts';

describe('fold and unfold', () => {
  test('spell any reply and read it back, in the grammar, over 2,000 random replies', () => {
    const dice = random(7);
    for (let round = 0; round < 2_000; round++) {
      const reply = anyReply(dice);
      const events = [...unfold(reply)];
      expectGrammar(events);
      expect(fold(events)).toEqual(reply);
    }
  });

  test('keep a further choice that said nothing', () => {
    const reply: Reply = {
      id: 'r',
      model: 'm',
      parts: [{ kind: 'text', text: 'a' }],
      reason: 'end',
      usage: noUsage,
      others: [
        { parts: [], reason: 'filter' },
        { parts: [{ kind: 'text', text: 'c' }], reason: 'length' },
        { parts: [], reason: 'stop' },
      ],
    };
    expect(fold(unfold(reply))).toStrictEqual(reply);
  });

  test('join the deltas of a block and their log probabilities', () => {
    const events: ChatEvent[] = [
      { type: 'start', id: 'r', model: 'm' },
      { type: 'block-start', block: 0, head: { kind: 'text' } },
      { type: 'block-delta', block: 0, text: 'He', logprobs: [{ token: 'He' }] },
      { type: 'block-delta', block: 0, text: 'llo', logprobs: [{ token: 'llo' }] },
      { type: 'block-end', block: 0 },
      { type: 'finish', reason: 'end', usage: noUsage },
    ];
    expect(fold(events).parts).toEqual([
      { kind: 'text', text: 'Hello', logprobs: [{ token: 'He' }, { token: 'llo' }] },
    ]);
  });

  test('throw the error a stream ended in', () => {
    const error = new GatewayError({ kind: 'overloaded' }, 'Busy.');
    expect(() =>
      fold([
        { type: 'start', id: 'r', model: 'm' },
        { type: 'error', error },
      ]),
    ).toThrow(error);
    const folder = folding();
    folder.push({ type: 'error', error });
    expect(() => folder.reply()).toThrow(error);
  });
});

describe('the grammar of the tests themselves', () => {
  const start: ChatEvent = { type: 'start', id: 'r', model: 'm' };
  const open = (block: number, choice?: number): ChatEvent => ({
    type: 'block-start',
    block,
    head: { kind: 'text' },
    ...(choice === undefined ? {} : { choice }),
  });
  const close = (block: number): ChatEvent => ({ type: 'block-end', block });
  const finish: ChatEvent = { type: 'finish', reason: 'end', usage: noUsage };
  const error: ChatEvent = { type: 'error', error: new GatewayError({ kind: 'internal' }, 'x') };

  test.each([
    ['a lone error', [error]],
    ['a start and a finish', [start, finish]],
    ['an error inside a block', [start, open(0), error]],
    ['two blocks and two choices', [start, open(0), close(0), open(1, 1), close(1), finish]],
  ])('lets %s pass', (_, events) => {
    expect(grammarFaults(events)).toEqual([]);
  });

  test.each([
    ['nothing', []],
    ['no terminal', [start, open(0), close(0)]],
    ['a lone finish', [finish]],
    ['two starts', [start, start, finish]],
    ['a start after an error', [error, start]],
    ['two terminals', [start, finish, error]],
    ['a nested block', [start, open(0), open(1), close(1), close(0), finish]],
    ['a block number left out', [start, open(1), close(1), finish]],
    ['a finish inside a block', [start, open(0), finish]],
    ['an end without a start', [start, close(0), finish]],
    ['a choice that goes back', [start, open(0, 1), close(0), open(1), close(1), finish]],
  ])('faults %s', (_, events) => {
    expect(grammarFaults(events)).not.toEqual([]);
  });
});
