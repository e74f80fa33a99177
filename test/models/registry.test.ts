import { describe, expect, test } from 'bun:test';
import type { Connection, DeclaredModel, Offer } from '../../src/channels/channel.ts';
import { createRegistry, type NamingRules } from '../../src/models/registry.ts';

/** A connection as far as a registry looks at it. */
function connection(provider: string, models: Partial<Offer> = {}): Connection {
  return {
    id: provider,
    provider,
    accounts: [],
    models: { declared: [], excluded: [], ...models },
    speaks: () => {
      throw new Error('a registry does not speak');
    },
    prepare: () => {
      throw new Error('a registry sends nothing');
    },
  };
}

const declares = (provider: string, ...declared: DeclaredModel[]) => connection(provider, { declared });
const registry = (connections: readonly Connection[], rules: NamingRules = {}) =>
  createRegistry(connections, rules);
const ids = (connections: readonly Connection[], rules: NamingRules = {}) =>
  registry(connections, rules)
    .list()
    .map((card) => card.id);
const found = (name: string, connections: readonly Connection[], rules: NamingRules = {}) =>
  registry(connections, rules)
    .find(name)
    .map(({ connection: { provider }, model }) => `${provider}:${model}`);

describe('what is offered', () => {
  test('declared models replace the family, whose models are offered otherwise', () => {
    expect(ids([connection('claude', { catalog: 'claude' })])).toContain('claude-sonnet-4-6');
    expect(ids([connection('claude', { catalog: 'claude', declared: [{ name: 'own' }] })])).toEqual(['own']);
  });

  test('a connection without either offers nothing', () => {
    expect(ids([connection('empty')])).toEqual([]);
  });

  test('the list is sorted and names each model once', () => {
    expect(ids([declares('b', { name: 'z' }, { name: 'a' }), declares('a', { name: 'z' })])).toEqual([
      'a',
      'z',
    ]);
  });

  test("a vendor's short names are found and not listed", () => {
    const claude = connection('claude', { catalog: 'claude' });
    expect(found('claude-haiku-4-5', [claude])).toEqual(['claude:claude-haiku-4-5']);
    expect(ids([claude])).not.toContain('claude-haiku-4-5');
  });
});

describe('exclusions', () => {
  const offer = (excluded: readonly string[]) =>
    connection('p', {
      declared: [{ name: 'GPT-4o' }, { name: 'gpt-4o-mini', alias: 'small' }, { name: 'a.b' }],
      excluded,
    });

  test.each([
    [['gpt-4o'], ['a.b', 'small']],
    [['gpt-*'], ['a.b']],
    [['*mini'], ['GPT-4o', 'a.b']],
    [['*4*'], ['a.b']],
    [
      ['a?b', 'a+b'],
      ['GPT-4o', 'a.b', 'small'],
    ],
    [['aXb'.toLowerCase()], ['GPT-4o', 'a.b', 'small']],
    [['small'], ['GPT-4o', 'a.b', 'small']],
    [['*'], []],
  ])("%j leaves %j, by the upstream's name and in any case", (excluded, left) => {
    expect(ids([offer(excluded)])).toEqual(left);
  });

  test('an excluded model takes its short names with it', () => {
    const claude = connection('claude', { catalog: 'claude', excluded: ['claude-haiku-4-5-20251001'] });
    expect(found('claude-haiku-4-5', [claude])).toEqual([]);
  });
});

describe('aliases', () => {
  test('an alias hides the name behind it and says whether answers show it', () => {
    const one = declares('p', { name: 'upstream', alias: 'nice', forceMapping: true });
    expect(found('upstream', [one])).toEqual([]);
    expect(registry([one]).find('nice')[0]).toMatchObject({
      model: 'upstream',
      name: 'nice',
      forceMapping: true,
    });
  });

  test('several models under one alias are a pool, in order', () => {
    expect(
      found('best', [declares('p', { name: 'a', alias: 'best' }, { name: 'b', alias: 'best' })]),
    ).toEqual(['p:a', 'p:b']);
  });

  test('one name at several providers is served by all of them', () => {
    expect(found('m', [declares('p', { name: 'm' }), declares('q', { name: 'x', alias: 'm' })])).toEqual([
      'p:m',
      'q:x',
    ]);
  });
});

describe('prefixes and addresses', () => {
  const team = connection('p', { declared: [{ name: 'm' }], prefix: 'team' });

  test('a prefix adds a name, and takes the bare one away when it is forced', () => {
    expect(ids([team])).toEqual(['m', 'team/m']);
    expect(ids([team], { 'force-model-prefix': true })).toEqual(['team/m']);
    expect(found('m', [team], { 'force-model-prefix': true })).toEqual([]);
    expect(found('team/m', [team], { 'force-model-prefix': true })).toEqual(['p:m']);
  });

  test('a model called like its prefix keeps its bare name', () => {
    const same = connection('p', { declared: [{ name: 'm' }], prefix: 'm' });
    expect(ids([same], { 'force-model-prefix': true })).toEqual(['m', 'm/m']);
  });

  test('provider/model reaches one provider and is not listed', () => {
    const both = [declares('p', { name: 'm' }), declares('q', { name: 'm' })];
    expect(found('q/m', both)).toEqual(['q:m']);
    expect(ids(both)).toEqual(['m']);
  });

  test('a real name outranks an address that spells the same', () => {
    const both = [declares('router', { name: 'auto' }), declares('other', { name: 'router/auto' })];
    expect(found('router/auto', both)).toEqual(['other:router/auto']);
  });
});

describe('lookup', () => {
  test('forgives case, and prefers the exact spelling', () => {
    const both = [declares('p', { name: 'GPT-X' }), declares('q', { name: 'gpt-x' })];
    expect(found('GPT-X', both)).toEqual(['p:GPT-X']);
    expect(found('Gpt-X', both)).toEqual(['p:GPT-X', 'q:gpt-x']);
    expect(found('Q/GPT-x', both)).toEqual(['q:gpt-x']);
  });

  test('auto is the newest model, unless somebody is called so', () => {
    const claude = connection('claude', { catalog: 'claude' });
    expect(found('auto', [declares('p', { name: 'undated' }), claude])).toEqual(['claude:claude-fable-5-1']);
    expect(found('auto', [claude, declares('p', { name: 'auto' })])).toEqual(['p:auto']);
    expect(found('auto', [])).toEqual([]);
  });
});

describe('cards', () => {
  const card = (provider: string, model: DeclaredModel, catalog?: string) =>
    registry([
      connection(provider, { declared: [model], ...(catalog === undefined ? {} : { catalog }) }),
    ]).list()[0];

  test('a declared model takes what the catalogue knows and the config does not say', () => {
    expect(card('router', { name: 'openai/gpt-4.1-mini', alias: 'mini', contextWindow: 9 })).toEqual({
      id: 'mini',
      displayName: 'openai/gpt-4.1-mini',
      ownedBy: 'router',
      created: 1744588800,
      contextWindow: 9,
      maxOutputTokens: 32768,
      thinking: null,
      inputs: ['text', 'image', 'document'],
    });
  });

  test('a model nobody knows has no limits and may think as it likes', () => {
    expect(card('p', { name: 'unheard-of' })).toEqual({ id: 'unheard-of', ownedBy: 'p' });
  });

  test("budgets hold for the family's own wire only", () => {
    expect(card('claude', { name: 'claude-haiku-4-5' }, 'claude')!.thinking).toEqual({
      min: 1024,
      max: 128_000,
      zeroAllowed: true,
    });
    expect(card('openrouter', { name: 'anthropic/claude-haiku-4.5' })!.thinking).toBeUndefined();
    expect(card('openrouter', { name: 'anthropic/claude-opus-4.7:thinking' })!.thinking).toEqual({
      levels: ['low', 'medium', 'high', 'xhigh', 'max'],
      zeroAllowed: true,
    });
  });

  test.each(['gpt-4o', 'GPT-4o-2024-08-06', 'openai/gpt-4o', 'models/openai/gpt-4o:free'])(
    '%s is known',
    (name) => {
      expect(card('p', { name })!.contextWindow).toBe(128_000);
    },
  );
});

describe('names like an unknown one', () => {
  const models = registry([
    declares(
      'p',
      ...['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-6', 'team/gpt-5', 'demo'].map((name) => ({ name })),
    ),
  ]);

  test.each([
    ['gpt-4o-min', ['gpt-4o-mini', 'gpt-4o']],
    ['GPT4o', ['gpt-4o']],
    ['claude-sonet-4.6', ['claude-sonnet-4-6']],
    ['sonnet', ['claude-sonnet-4-6']],
    ['gpt-5', ['team/gpt-5']],
    ['entirely-different', []],
    ['', []],
  ])('%s is like %j', (unknown, nearest) => {
    expect(models.nearest(unknown, 2).slice(0, nearest.length || 1)).toEqual(nearest);
  });
});
