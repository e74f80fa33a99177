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

/** A fresh Blocks, and what it has said since somebody last asked. */
function listened() {
  const said: ChatEvent[] = [];
  const blocks = new Blocks((event) => {
    said.push(event);
  });
  return { blocks, heard: () => said.splice(0), types: () => said.splice(0).map((event) => event.type) };
}

/** What `speak` makes a fresh Blocks say, closing included. */
function saying(speak: (blocks: Blocks) => void): ChatEvent[] {
  const { blocks, heard } = listened();
  speak(blocks);
  blocks.close();
  return heard();
}

describe('spoken blocks', () => {
  test('go on while the kind stays and end when another speaks', () => {
    const said = saying((b) => {
      b.say('reasoning', 'h');
      b.say('reasoning', 'm');
      b.say('text', 'a');
      b.say('text', 'b');
    });
    expect(partsOf(said)).toEqual([
      { kind: 'reasoning', text: 'hm' },
      { kind: 'text', text: 'ab' },
    ]);
  });

  test('are said at once, not at the close', () => {
    const { blocks, types } = listened();
    blocks.say('text', 'a');
    expect(types()).toEqual(['block-start', 'block-delta']);
    blocks.say('text', 'b');
    expect(types()).toEqual(['block-delta']);
  });

  test('carry their seal, citations and log probabilities', () => {
    const said = saying((b) => {
      b.say('text', 'a', 0, [{ token: 'a' }]);
      b.seal({ issuer: 'gemini', value: 'x' });
      b.cite({ url: 'https://example.com' });
    });
    expect(partsOf(said)).toEqual([
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
    const said = saying((b) => {
      b.say('text', 'a');
      b.end();
      b.say('text', 'b');
    });
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
    const said = saying((b) => {
      b.call(0, { callId: 'a', name: 'x' });
      b.call(1, { callId: 'b', name: 'y' });
      b.args(1, '{"n":');
      b.args(0, '{}');
      b.args(1, '2}');
    });
    expect(partsOf(said)).toEqual([called('a', 'x', '{}'), called('b', 'y', '{"n":2}')]);
  });

  test('stream the arguments of the first while the others wait', () => {
    const { blocks, types } = listened();
    blocks.call(0, { callId: 'a', name: 'x' });
    expect(types()).toEqual(['block-start']);
    blocks.call(1, { callId: 'b', name: 'y' });
    blocks.args(1, '{}');
    expect(types()).toEqual([]);
    blocks.args(0, '{}');
    expect(types()).toEqual(['block-delta']);
    blocks.end(0);
    expect(types()).toEqual(['block-end', 'block-start', 'block-delta']);
  });

  test('keep arguments that come after other words', () => {
    const said = saying((b) => {
      b.call(0, { callId: 'a', name: 'x' });
      b.args(0, '{"n":');
      b.say('text', 'by the way');
      b.args(0, '1}');
    });
    expect(partsOf(said)).toEqual([called('a', 'x', '{"n":1}'), { kind: 'text', text: 'by the way' }]);
  });

  test('wait for their name; the first non-empty name and id win', () => {
    const said = saying((b) => {
      b.args(0, '{');
      b.call(0, { callId: '', name: '' });
      b.call(0, { callId: 'a' });
      b.call(0, { name: 'x' });
      b.call(0, { callId: 'late', name: 'late' });
      b.args(0, '}');
    });
    expect(partsOf(said)).toEqual([called('a', 'x', '{}')]);
  });

  test('get an id when the wire never gives one, and are left out without a name', () => {
    const [part, ...more] = partsOf(
      saying((b) => {
        b.call(0, { name: 'x' });
        b.args(0, '{}');
      }),
    );
    expect(more).toEqual([]);
    expect(part).toMatchObject({ kind: 'tool-call', name: 'x', args: '{}' });
    expect((part as { callId: string }).callId).toMatch(/^call_[0-9a-f]{24}$/);
    const { blocks, heard } = listened();
    blocks.call(0, { callId: 'a' });
    blocks.args(0, '{}');
    blocks.close();
    expect(partsOf(heard())).toEqual([]);
    expect(blocks.called).toBe(false);
  });
});

describe('further choices', () => {
  test('wait for the close and come in order, however they came in', () => {
    const said = saying((b) => {
      b.say('text', '1', 1);
      b.end(undefined, 1);
      b.say('text', '0');
      b.end();
      b.call(0, { callId: 'a', name: 'x' });
      b.say('text', '2', 2);
      b.args(0, '{}');
      b.say('text', '+', 1);
    });
    const events = [start, ...said, finish];
    expectGrammar(events);
    const reply = fold(events);
    expect(reply.parts.map((part) => part.kind)).toEqual(['text', 'tool-call']);
    expect(
      reply.others?.map((other) => other.parts.map((part) => ('text' in part ? part.text : '')).join('')),
    ).toEqual(['1+', '2']);
  });

  test('never hold the first choice back', () => {
    const { blocks, types } = listened();
    blocks.say('text', 'x', 1);
    expect(types()).toEqual([]);
    blocks.say('text', 'a');
    expect(types()).toEqual(['block-start', 'block-delta']);
    blocks.call(0, { callId: 'a', name: 'x' });
    expect(types()).toEqual(['block-end', 'block-start']);
  });
});

test('any interleaving stays in the grammar and loses no word, over 5,000 random streams', () => {
  const dice = random(31);
  for (let round = 0; round < 5_000; round++) interleave(dice);
});

/** Plays random news to a Blocks, and compares what it says with what was put in, choice by choice. */
function interleave(dice: Random): void {
  const { blocks, heard: said } = listened();
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
      blocks.say(kind, text, choice);
      note(spoken, `${choice}/${kind}`, text);
    }
    if (what === 2 && !ended.has(id)) {
      blocks.call(key, { callId: `id-${id}`, name: `name-${id}` }, choice);
      named.add(id);
    }
    if (what === 3 && !ended.has(id)) {
      blocks.args(key, text, choice);
      note(args, id, text);
    }
    if (what === 4 && named.has(id) && !ended.has(id)) {
      blocks.end(key, choice);
      ended.add(id);
    }
    if (what === 5 && dice.oneIn(3)) {
      const part: Part = {
        kind: 'media',
        media: 'image',
        mime: 'image/png',
        source: { kind: 'data', data: text },
      };
      blocks.whole(part, choice);
      note(spoken, `${choice}/media`, text);
    }
  }
  blocks.close();
  const events = [start, ...said(), finish];
  expectGrammar(events);
  blocks.close();
  expect(said()).toEqual([]);

  const reply = fold(events);
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
