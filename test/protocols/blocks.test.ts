import { describe, expect, test } from 'bun:test';
import { fold, noUsage, type ChatEvent } from '../../src/core/event.ts';
import type { Part } from '../../src/core/request.ts';
import { Blocks } from '../../src/protocols/blocks.ts';
import { expectGrammar } from '../support/grammar.ts';
import { random, type Random } from '../support/random.ts';

const start: ChatEvent = { type: 'start', id: 'r', model: 'm' };
const finish: ChatEvent = { type: 'finish', reason: 'end', usage: noUsage };

/** The parts a stream spells, after a check of its grammar. */
function partsOf(said: Iterable<ChatEvent>): readonly Part[] {
  const events = [start, ...said, finish];
  expectGrammar(events);
  return fold(events).parts;
}

/** What `speak` makes a fresh Blocks say, closing included. */
function saying(speak: (blocks: Blocks) => readonly Iterable<ChatEvent>[]): ChatEvent[] {
  const blocks = new Blocks();
  return [...speak(blocks).flatMap((said) => [...said]), ...blocks.close()];
}

describe('spoken blocks', () => {
  test('go on while the kind stays and end when another speaks', () => {
    const said = saying((b) => [
      b.say('reasoning', 'h'),
      b.say('reasoning', 'm'),
      b.say('text', 'a'),
      b.say('text', 'b'),
    ]);
    expect(partsOf(said)).toEqual([
      { kind: 'reasoning', text: 'hm' },
      { kind: 'text', text: 'ab' },
    ]);
  });

  test('are said at once, not at the close', () => {
    const blocks = new Blocks();
    expect([...blocks.say('text', 'a')].map((event) => event.type)).toEqual(['block-start', 'block-delta']);
    expect([...blocks.say('text', 'b')].map((event) => event.type)).toEqual(['block-delta']);
  });

  test('carry their seal, citations and log probabilities', () => {
    const blocks = new Blocks();
    const said = [...blocks.say('text', 'a', { logprobs: [{ token: 'a' }] })];
    blocks.seal({ issuer: 'gemini', value: 'x' });
    blocks.cite({ url: 'https://example.com' });
    expect(partsOf([...said, ...blocks.close()])).toEqual([
      {
        kind: 'text',
        text: 'a',
        logprobs: [{ token: 'a' }],
        citations: [{ url: 'https://example.com' }],
        seal: { issuer: 'gemini', value: 'x' },
      },
    ]);
  });

  test('start anew after the wire ended them', () => {
    const said = saying((b) => [b.say('text', 'a'), b.end(), b.say('text', 'b')]);
    expect(partsOf(said)).toEqual([
      { kind: 'text', text: 'a' },
      { kind: 'text', text: 'b' },
    ]);
  });
});

describe('tool calls', () => {
  const called = (callId: string, name: string, args: string) =>
    ({ kind: 'tool-call', callId, name, args }) as const;

  test('interleaved come out whole, in opening order', () => {
    const said = saying((b) => [
      b.call(0, { callId: 'a', name: 'x' }),
      b.call(1, { callId: 'b', name: 'y' }),
      b.args(1, '{"n":'),
      b.args(0, '{}'),
      b.args(1, '2}'),
    ]);
    expect(partsOf(said)).toEqual([called('a', 'x', '{}'), called('b', 'y', '{"n":2}')]);
  });

  test('stream the arguments of the first while the others wait', () => {
    const blocks = new Blocks();
    const types = (said: Iterable<ChatEvent>) => [...said].map((event) => event.type);
    expect(types(blocks.call(0, { callId: 'a', name: 'x' }))).toEqual(['block-start']);
    expect(types(blocks.call(1, { callId: 'b', name: 'y' }))).toEqual([]);
    expect(types(blocks.args(1, '{}'))).toEqual([]);
    expect(types(blocks.args(0, '{}'))).toEqual(['block-delta']);
    expect(types(blocks.end(0))).toEqual(['block-end', 'block-start', 'block-delta']);
  });

  test('keep arguments that come after other words', () => {
    const said = saying((b) => [
      b.call(0, { callId: 'a', name: 'x' }),
      b.args(0, '{"n":'),
      b.say('text', 'by the way'),
      b.args(0, '1}'),
    ]);
    expect(partsOf(said)).toEqual([called('a', 'x', '{"n":1}'), { kind: 'text', text: 'by the way' }]);
  });

  test('wait for their name; the first non-empty name and id win', () => {
    const said = saying((b) => [
      b.args(0, '{'),
      b.call(0, { callId: '', name: '' }),
      b.call(0, { callId: 'a' }),
      b.call(0, { name: 'x' }),
      b.call(0, { callId: 'late', name: 'late' }),
      b.args(0, '}'),
    ]);
    expect(partsOf(said)).toEqual([called('a', 'x', '{}')]);
  });

  test('get an id when the wire never gives one, and are left out without a name', () => {
    const [part, ...more] = partsOf(saying((b) => [b.call(0, { name: 'x' }), b.args(0, '{}')]));
    expect(more).toEqual([]);
    expect(part).toMatchObject({ kind: 'tool-call', name: 'x', args: '{}' });
    expect((part as { callId: string }).callId).toMatch(/^call_[0-9a-f]{24}$/);
    const blocks = new Blocks();
    expect(partsOf([...blocks.call(0, { callId: 'a' }), ...blocks.args(0, '{}'), ...blocks.close()])).toEqual(
      [],
    );
    expect(blocks.called).toBe(false);
  });
});

describe('further choices', () => {
  test('wait for the close and come in order, however they came in', () => {
    const said = saying((b) => [
      b.say('text', '1', { choice: 1 }),
      b.end(undefined, 1),
      b.say('text', '0'),
      b.end(),
      b.call(0, { callId: 'a', name: 'x' }),
      b.say('text', '2', { choice: 2 }),
      b.args(0, '{}'),
      b.say('text', '+', { choice: 1 }),
    ]);
    const events = [start, ...said, finish];
    expectGrammar(events);
    const reply = fold(events);
    expect(reply.parts.map((part) => part.kind)).toEqual(['text', 'tool-call']);
    expect(
      reply.others?.map((other) => other.parts.map((part) => ('text' in part ? part.text : '')).join('')),
    ).toEqual(['1+', '2']);
  });

  test('never hold the first choice back', () => {
    const blocks = new Blocks();
    expect([...blocks.say('text', 'x', { choice: 1 })]).toEqual([]);
    expect([...blocks.say('text', 'a')].map((event) => event.type)).toEqual(['block-start', 'block-delta']);
    expect([...blocks.call(0, { callId: 'a', name: 'x' })].map((event) => event.type)).toEqual([
      'block-end',
      'block-start',
    ]);
  });
});

test('any interleaving stays in the grammar and loses no word, over 5,000 random streams', () => {
  const dice = random(31);
  for (let round = 0; round < 5_000; round++) interleave(dice);
});

/** Plays random news to a Blocks, and compares what it says with what was put in, choice by choice. */
function interleave(dice: Random): void {
  const blocks = new Blocks();
  const said: ChatEvent[] = [];
  const spoken = new Map<string, string>();
  const args = new Map<string, string>();
  const named = new Set<string>();
  const ended = new Set<string>();
  const note = (notes: Map<string, string>, key: string, text: string) =>
    notes.set(key, (notes.get(key) ?? '') + text);
  const choices = dice.oneIn(2) ? 1 : 3;
  for (let step = dice.below(25); step > 0; step--) {
    const choice = dice.below(choices);
    const key = dice.below(3);
    const id = `${choice}/${key}`;
    const text = dice.text(2) || 'x';
    const what = dice.below(6);
    if (what <= 1) {
      const kind = dice.pick(['text', 'reasoning', 'refusal'] as const);
      said.push(...blocks.say(kind, text, { choice }));
      note(spoken, `${choice}/${kind}`, text);
    }
    if (what === 2 && !ended.has(id)) {
      said.push(...blocks.call(key, { callId: `id-${id}`, name: `name-${id}` }, choice));
      named.add(id);
    }
    if (what === 3 && !ended.has(id)) {
      said.push(...blocks.args(key, text, choice));
      note(args, id, text);
    }
    if (what === 4 && named.has(id) && !ended.has(id)) {
      said.push(...blocks.end(key, choice));
      ended.add(id);
    }
    if (what === 5 && dice.oneIn(3)) {
      const part: Part = {
        kind: 'media',
        media: 'image',
        mime: 'image/png',
        source: { kind: 'data', data: text },
      };
      said.push(...blocks.whole(part, choice));
      note(spoken, `${choice}/media`, text);
    }
  }
  said.push(...blocks.close());
  expectGrammar([start, ...said, finish]);
  expect([...blocks.close()]).toEqual([]);

  const reply = fold([start, ...said, finish]);
  const heard = new Map<string, string>();
  const heardArgs = new Map<string, string>();
  for (const [choice, parts] of [reply.parts, ...(reply.others ?? []).map((other) => other.parts)].entries())
    for (const part of parts) {
      if (part.kind === 'tool-call') note(heardArgs, part.callId, part.args);
      if (part.kind === 'media' && part.source.kind === 'data')
        note(heard, `${choice}/media`, part.source.data);
      if (part.kind === 'text' || part.kind === 'reasoning' || part.kind === 'refusal')
        note(heard, `${choice}/${part.kind}`, part.text);
    }
  expect(Object.fromEntries(heard)).toEqual(Object.fromEntries(spoken));
  const wanted = [...named].map((id) => [`id-${id}`, args.get(id) ?? '']);
  expect(Object.fromEntries(heardArgs)).toEqual(Object.fromEntries(wanted));
}
