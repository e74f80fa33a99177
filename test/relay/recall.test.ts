import { describe, expect, test } from 'bun:test';
import type { Part, Seal } from '../../src/core/request.ts';
import { anchorsOf } from '../../src/relay/thoughts/anchors.ts';
import type { Attempt } from '../../src/relay/routing/plan.ts';
import { createRecall, fingerprint, type Kept, type Turn } from '../../src/relay/thoughts/recall.ts';
import { mayReturn } from '../../src/relay/thoughts/replay.ts';
import { weave } from '../../src/relay/thoughts/weave.ts';
import { random } from '../support/random.ts';

const seal = (value: string): Seal => ({ issuer: 'anthropic', model: 'm', account: 'a', value });
const thought = (text: string): Extract<Part, { kind: 'reasoning' }> => ({
  kind: 'reasoning',
  text,
  seal: seal(text),
});
const call = (callId: string, name = 'weather'): Extract<Part, { kind: 'tool-call' }> => ({
  kind: 'tool-call',
  callId,
  name,
  args: '{}',
});
const text = (words: string): Part => ({ kind: 'text', text: words });
const said = (words: string): Kept => ({ kind: 'said', hash: fingerprint(words) });
const called = (callId: string, mark?: Seal): Kept => ({
  kind: 'call',
  callId,
  ...(mark ? { seal: mark } : {}),
});
const turn = (...parts: Kept[]): Turn => ({ model: 'm', account: 'a', parts });

describe('the memory', () => {
  test('gives a turn back under each of its anchors, and to its own tenant only', () => {
    const recall = createRecall(() => 0);
    const kept = turn(thought('hm'), called('a'), called('b'));
    recall.remember('me', ['a', 'b'], kept);
    expect(recall.find('me', 'a')).toBe(kept);
    expect(recall.find('me', 'b')).toBe(kept);
    expect(recall.find('you', 'a')).toBeUndefined();
    expect(recall.knows('me')).toBe(true);
    expect(recall.knows('you')).toBe(false);
  });

  test('lets what was of no use the longest make room', () => {
    const recall = createRecall(() => 0, { turns: 2, bytes: 1e6, ageMs: 1e6 });
    for (const anchor of ['a', 'b']) recall.remember('me', [anchor], turn(thought(anchor)));
    recall.find('me', 'a');
    recall.remember('me', ['c'], turn(thought('c')));
    expect(['a', 'b', 'c'].map((anchor) => recall.find('me', anchor) !== undefined)).toEqual([
      true,
      false,
      true,
    ]);
  });

  test('forgets what was of no use for too long, also when nobody asks for it', () => {
    let now = 0;
    const recall = createRecall(() => now, { turns: 9, bytes: 1e6, ageMs: 100 });
    recall.remember('me', ['a'], turn(thought('a')));
    now = 99;
    expect(recall.find('me', 'a')).toBeDefined();
    now = 198;
    expect(recall.find('me', 'a')).toBeDefined();
    now = 298;
    expect(recall.find('me', 'a')).toBeUndefined();
    recall.remember('me', ['b'], turn(thought('b')));
    now = 500;
    recall.remember('me', ['c'], turn(thought('c')));
    expect(recall.size.turns).toBe(1);
  });

  test('does not keep a turn that is larger than all of it, nor one that nothing could find', () => {
    const recall = createRecall(() => 0, { turns: 9, bytes: 5_000, ageMs: 100 });
    recall.remember('me', ['a'], turn(thought('x'.repeat(3_000))));
    recall.remember('me', [], turn(thought('b')));
    expect(recall.size).toEqual({ turns: 0, bytes: 0 });
    expect(recall.knows('me')).toBe(false);
  });

  test('forgets a turn for its own tenant only', () => {
    const recall = createRecall(() => 0);
    const kept = turn(thought('a'));
    recall.remember('me', ['a'], kept);
    recall.forget('you', [kept]);
    expect(recall.find('me', 'a')).toBe(kept);
    recall.forget('me', [kept, turn()]);
    expect(recall.size).toEqual({ turns: 0, bytes: 0 });
  });

  test.each([1, 2, 3, 4])('stays within its bounds and never crosses tenants, seed %d', (seed) => {
    const dice = random(seed);
    let now = 0;
    const limits = {
      turns: 1 + dice.below(20),
      bytes: 2_000 + dice.below(20_000),
      ageMs: 1 + dice.below(500),
    };
    const recall = createRecall(() => now, limits);
    const owners = new Map<Turn, { tenant: string; at: number }>();
    for (let step = 0; step < 3_000; step++) {
      now += dice.below(10);
      const tenant = dice.pick(['a', 'b', 'c']);
      const anchor = dice.pick(['1', '2', '3', '4', '5', '6', '7', '8']);
      if (dice.oneIn(3)) {
        const kept = turn(thought(`${tenant}${'x'.repeat(dice.below(1_500))}`));
        recall.remember(tenant, [anchor, `${step}`], kept);
        owners.set(kept, { tenant, at: now });
      } else {
        const found = recall.find(tenant, anchor);
        const owner = found && owners.get(found);
        if (owner) {
          expect(owner.tenant).toBe(tenant);
          expect(now - owner.at).toBeLessThan(limits.ageMs);
          owner.at = now;
        }
        if (found && dice.oneIn(10)) recall.forget(dice.pick(['a', 'b', 'c']), [found]);
      }
      expect(recall.size.turns).toBeLessThanOrEqual(limits.turns);
      expect(recall.size.bytes).toBeLessThanOrEqual(limits.bytes);
      expect(recall.size.bytes > 0).toBe(recall.size.turns > 0);
    }
  });
});

describe('anchors', () => {
  const place = (session: string, opening: string) => ({ session: () => session, opening });
  const here = place('s', 'What is it?');

  test.each([
    'toolu_01A09q90qw90lq917835lq9',
    'call_9f86d081884c7d659a2feaa0',
    '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
    'chatcmpl-tool-9f86d081884c7d659a2feaa0c55ad015',
  ])('an id as random as %s is enough by itself', (id) => {
    expect(anchorsOf([call(id)], here)).toEqual(anchorsOf([call(id)], place('other', 'Other?')));
  });

  test.each(['call_0', '', 'functions.weather:0', 'weather_report_for_20241010', 'call_weather'])(
    'an id like %p counts only in its conversation, after the same words',
    (id) => {
      const name = id.includes('report') ? 'weather_report_for_20241010' : 'weather';
      const anchors = anchorsOf([call(id, name)], here);
      expect(anchors).toEqual(anchorsOf([call(id, name)], { ...here }));
      expect(anchors).not.toEqual(anchorsOf([call(id, name)], place('other', here.opening)));
      expect(anchors).not.toEqual(anchorsOf([call(id, name)], place('s', 'Other?')));
    },
  );

  test('words stand for a turn without calls, whatever white space a client trims', () => {
    const anchors = anchorsOf([thought('hm'), text('It is '), text('sunny.\n')], here);
    expect(anchors).toEqual(anchorsOf([text(' It is sunny.')], here));
    expect(anchors).not.toEqual(anchorsOf([text('It is sunny!')], here));
    expect(anchorsOf([text(' ')], here)).toEqual([]);
    expect(anchorsOf([text('Let me see.'), call('call_9f86d081884c7d659a2feaa0')], here)).toEqual([
      'call call_9f86d081884c7d659a2feaa0',
    ]);
  });
});

describe('where a seal may go', () => {
  const attempt = (model: string, id: string) => ({ model, account: { id } }) as Attempt;
  const of = (issuer: string, model?: string, account?: string): Seal => ({
    issuer,
    value: 'v',
    ...(model ? { model } : {}),
    ...(account ? { account } : {}),
  });

  test.each([
    ['to whom it was made for', of('openai', 'gpt-5', 'a'), 'gpt-5', 'a', true],
    ['not to another account of OpenAI', of('openai', 'gpt-5', 'a'), 'gpt-5', 'b', false],
    ['not to another account of Google', of('gemini', 'gemini-3-pro', 'a'), 'gemini-3-pro', 'b', false],
    ['to any account of Anthropic', of('anthropic', 'claude-x', 'a'), 'claude-x', 'b', true],
    ['not to another Claude', of('anthropic', 'claude-x', 'a'), 'claude-y', 'a', false],
    [
      'to the same model under its alias',
      of('anthropic', 'claude-x-20250929', 'a'),
      'claude-x-latest',
      'a',
      true,
    ],
    ['not to another account of a vendor nobody knows', of('acme', 'm', 'a'), 'm', 'b', false],
    ['anywhere, when its origin is unknown: the upstream decides', of('openai'), 'gpt-5', 'b', true],
  ])('%s', (_, mark, model, account, may) => {
    expect(mayReturn(mark, attempt(model, account))).toBe(may);
  });
});

describe('weaving', () => {
  const all = { thought: () => true, seal: () => true };
  const id = 'call_9f86d081884c7d659a2feaa0';
  const other = 'call_0123456789abcdef01234567';

  test('puts a thought before the call it led to', () => {
    expect(weave([call(id)], turn(thought('hm'), called(id)), all)).toEqual([thought('hm'), call(id)]);
  });

  test('puts what a turn began with before everything, though the client has moved its words', () => {
    const kept = turn(thought('1'), said('Let me'), thought('2'), said(' see.'), thought('3'), called(id));
    expect(weave([text('Let me see.'), call(id)], kept, all)).toEqual([
      thought('1'),
      text('Let me see.'),
      thought('2'),
      thought('3'),
      call(id),
    ]);
  });

  test('keeps thoughts between what they stood between', () => {
    const kept = turn(thought('1'), called(id), thought('2'), called(other));
    expect(weave([call(id), call(other)], kept, all)).toEqual([
      thought('1'),
      call(id),
      thought('2'),
      call(other),
    ]);
  });

  test('puts what came last last, and words alone after their thought', () => {
    expect(weave([text('Yes.')], turn(thought('1'), said('Yes.'), thought('2')), all)).toEqual([
      thought('1'),
      text('Yes.'),
      thought('2'),
    ]);
    expect(weave([text('Yes. No.')], turn(thought('1'), said('Yes.'), said(' No.')), all)).toEqual([
      thought('1'),
      text('Yes. No.'),
    ]);
  });

  test("replaces the client's copy that has lost its seal", () => {
    const bare: Part = { kind: 'reasoning', text: 'hm' };
    expect(weave([bare, call(id)], turn(thought('hm'), called(id)), all)).toEqual([thought('hm'), call(id)]);
  });

  test('gives calls and words their seals back, but never changes one that is there', () => {
    const kept = turn(called(id, seal('1')), called(other, seal('2')));
    const own = { ...call(other), seal: seal('own') };
    expect(weave([call(id), own], kept, all)).toEqual([{ ...call(id), seal: seal('1') }, own]);
  });

  test('gives the very same parts when nothing is wanted', () => {
    const parts = [call(id)];
    const nothing = { thought: () => false, seal: () => false };
    expect(weave(parts, turn(thought('hm'), called(id, seal('1'))), nothing)).toBe(parts);
  });

  test.each([1, 2, 3])('loses and moves nothing that the client sent, seed %d', (seed) => {
    const dice = random(seed);
    for (let round = 0; round < 300; round++) {
      const ids = ['a', 'b', 'c', 'd'];
      const kept = turn(
        ...dice.list(8, (): Kept => {
          const kind = dice.below(3);
          if (kind === 0) return thought(dice.text());
          return kind === 1 ? called(dice.pick(ids)) : said(dice.text(2));
        }),
      );
      const parts = dice.list(6, (): Part => (dice.oneIn(2) ? call(dice.pick(ids)) : text(dice.text(2))));
      const woven = weave(parts, kept, all);
      expect(woven.filter(({ kind }) => kind !== 'reasoning')).toEqual(parts);
      const thoughts = kept.parts.filter(({ kind }) => kind === 'reasoning') as Part[];
      const back = woven.filter(({ kind }) => kind === 'reasoning');
      expect(back.toSorted(byText)).toEqual(thoughts.toSorted(byText));
    }
  });
});

const byText = (a: Part, b: Part) => JSON.stringify(a).localeCompare(JSON.stringify(b));
