import { describe, expect, test } from 'bun:test';
import type { Connection, DeclaredModel, ModelAlias, Offer } from '../../src/channels/channel.ts';
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

describe('aliases of a catalogue', () => {
  const claude = (...aliases: readonly ModelAlias[]) =>
    connection('claude', { catalog: 'claude', excluded: ['claude-opus-5'], aliases });

  test('an alias takes its model’s own name away, and leaves it when it forks', () => {
    const alias = { name: 'Claude-Sonnet-5', alias: 'smart' };
    expect(found('smart', [claude(alias)])).toEqual(['claude:claude-sonnet-5']);
    expect(found('claude-sonnet-5', [claude(alias)])).toEqual([]);
    expect(found('claude-sonnet-5', [claude({ ...alias, fork: true })])).toEqual(['claude:claude-sonnet-5']);
  });

  test('one model may have several aliases, and one alias stands for the first model', () => {
    const both = claude(
      { name: 'claude-sonnet-5', alias: 'a' },
      { name: 'claude-sonnet-5', alias: 'b', displayName: 'Bee', forceMapping: true },
      { name: 'claude-fable-5', alias: 'A' },
    );
    expect([...found('a', [both]), ...found('b', [both])]).toEqual([
      'claude:claude-sonnet-5',
      'claude:claude-sonnet-5',
    ]);
    expect(registry([both]).find('b')[0]).toMatchObject({ forceMapping: true, card: { displayName: 'Bee' } });
    expect(found('claude-fable-5', [both])).toEqual(['claude:claude-fable-5']);
  });

  test('an alias of itself says nothing, and none brings an excluded model back', () => {
    const one = claude(
      { name: 'claude-sonnet-5', alias: 'Claude-Sonnet-5' },
      { name: 'claude-opus-5', alias: 'opus' },
    );
    expect(found('claude-sonnet-5', [one])).toEqual(['claude:claude-sonnet-5']);
    expect(found('opus', [one])).toEqual([]);
  });

  test('an alias of a model that the catalogue does not know yet is taken at its word', () => {
    expect(found('next', [claude({ name: 'claude-next', alias: 'next' })])).toEqual(['claude:claude-next']);
  });
});

describe('discovered models and any names', () => {
  test('what a place lists stands beside the catalogue; a declared list replaces both, unless the entry asks for the list', () => {
    const discovered = [{ name: 'claude-brand-new' }, { name: 'claude-sonnet-5' }];
    const place = connection('claude', { catalog: 'claude', discovered, excluded: ['*-4-6'] });
    expect(found('claude-brand-new', [place])).toEqual(['claude:claude-brand-new']);
    expect(registry([place]).find('claude-sonnet-5')).toHaveLength(1);
    const declared = [{ name: 'own' }, { name: 'claude-sonnet-5', alias: 'mine' }];
    expect(ids([connection('claude', { catalog: 'claude', discovered, declared })])).toEqual(['mine', 'own']);
    expect(ids([connection('claude', { catalog: 'claude', discovered, declared, live: true })])).toEqual([
      'claude-brand-new',
      'mine',
      'own',
    ]);
  });

  test('a name nobody offers goes to whoever takes any, without prefix or provider', () => {
    const open = connection('router', { open: true, prefix: 'r', excluded: ['secret*'] });
    expect(found('new/model', [open])).toEqual(['router:new/model']);
    expect(found('r/new/model', [open])).toEqual(['router:new/model']);
    expect(found('router/new', [open])).toEqual(['router:new']);
    expect(found('secret-one', [open])).toEqual([]);
    expect(ids([open])).toEqual([]);
  });

  test('whoever offers a name outranks whoever takes any', () => {
    expect(found('m', [connection('router', { open: true }), declares('p', { name: 'm' })])).toEqual(['p:m']);
  });
});

describe('why a name is not served', () => {
  const why = (name: string, one: Connection, rules: NamingRules = {}) =>
    registry([one], rules).skipped(name)[0]?.why;

  test('an exclusion names its pattern, an alias and a prefix the name to use', () => {
    const excluded = connection('p', { declared: [{ name: 'gpt-4o' }], excluded: ['gpt-*'] });
    expect(why('GPT-4o', excluded)).toBe('has it, but it is excluded by the pattern "gpt-*"');
    expect(why('upstream', declares('p', { name: 'upstream', alias: 'nice' }))).toBe(
      'has it, but it is offered under its alias "nice"',
    );
    const team = connection('p', { declared: [{ name: 'm' }], prefix: 'team' });
    expect(why('m', team, { 'force-model-prefix': true })).toBe('offers it as "team/m" only');
    expect(why('other', team, { 'force-model-prefix': true })).toBe('has no such model');
    expect(why('m', team)).toBeUndefined();
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
