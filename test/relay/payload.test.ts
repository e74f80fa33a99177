import { describe, expect, test } from 'bun:test';
import { payloadRules } from '../../src/config/payload.ts';
import { ruledBody, type Sent } from '../../src/relay/payload.ts';
import { parse, refused } from '../config/support.ts';
import { compatible, standing, upstream } from './support.ts';

/** Payload rules on a body that is ready to be sent. */

const sent: Sent = {
  models: ['gpt-real', 'alias', 'alias(high)'],
  to: 'openai',
  from: 'claude',
  headers: new Headers({ 'x-team': 'blue-7' }),
};

/** The body after the rules of a config text. */
function ruled(yaml: string, body: string, about: Partial<Sent> = {}): string {
  const { config } = parse(`payload:\n${yaml}`);
  const rules = payloadRules(config.payload, (path, message) => {
    throw new Error(`${path}: ${message}`);
  });
  return ruledBody(body, rules, { ...sent, ...about });
}

const every = '[{name: "*"}]';
const rule = (params: string, models = every) => `    - {models: ${models}, params: ${params}}\n`;

describe('what rules do', () => {
  test('a default sets what the request leaves open, null included; the first rule for a path wins', () => {
    const yaml = `  default:\n${rule('{a: 1, b.c: 1, d: 1}')}${rule('{a: 2, e: 2}')}`;
    expect(JSON.parse(ruled(yaml, '{"d":null}'))).toEqual({ a: 1, b: { c: 1 }, d: null, e: 2 });
  });

  test('default-raw takes JSON texts, and gives way to default', () => {
    const yaml = `  default:\n${rule('{a: 1}')}  default-raw:\n${rule(`{a: "[2]", b: '{"c": [1]}'}`)}`;
    expect(JSON.parse(ruled(yaml, '{}'))).toEqual({ a: 1, b: { c: [1] } });
  });

  test('what one default sets is still open to the next, because the client left it open', () => {
    const yaml = `  default:\n${rule('{a.b: 1}')}${rule('{a: {x: 2}}')}`;
    expect(JSON.parse(ruled(yaml, '{}'))).toEqual({ a: { x: 2 } });
  });

  test('an override sets whatever the request says; the last rule wins, and override-raw comes after', () => {
    const yaml = `  override:\n${rule('{a: 1, b: 1}')}${rule('{a: 2}')}  override-raw:\n${rule('{b: "null"}')}`;
    expect(JSON.parse(ruled(yaml, '{"a":0}'))).toEqual({ a: 2, b: null });
  });

  test('a filter comes last and takes out every match', () => {
    const yaml = `  override:\n${rule('{a: 1}')}  filter:\n${rule('[a, "tools.#(type==x)#"]')}`;
    const body = '{"tools":[{"type":"x"},{"type":"y"},{"type":"x"}]}';
    expect(JSON.parse(ruled(yaml, body))).toEqual({ tools: [{ type: 'y' }] });
  });

  test('fields that no rule touches keep their bytes, whatever they hold', () => {
    const body = ' {"n": 12345678901234567890, "e":1.0e2 ,"u":"\\u00e9", "gone": 1, "a" : 0}';
    expect(ruled(`  override:\n${rule('{a: 1, z: 2}')}  filter:\n${rule('[gone]')}`, body)).toBe(
      '{"n": 12345678901234567890,"e":1.0e2,"u":"\\u00e9","a" : 1,"z":2}',
    );
  });

  test('a body that no rule changes stays the very same text', () => {
    const body = ' { "a" : 1 } ';
    for (const yaml of [
      `  default:\n${rule('{a: 2}')}`,
      `  filter:\n${rule('[b.c]')}`,
      `  override:\n${rule('{a: 2}', '[{name: other}]')}`,
    ])
      expect(ruled(yaml, body)).toBe(body);
  });
});

describe('a rule is for a request when', () => {
  const applies = (selector: string, body = '{}', about: Partial<Sent> = {}) =>
    ruled(`  override:\n${rule('{hit: true}', `[${selector}]`)}`, body, about).includes('hit');

  test.each([
    ['{name: gpt-*}', true],
    ['{name: alias}', true],
    ['{name: "alias(high)"}', true],
    ['{name: ALIAS}', false],
    ['{name: other}', false],
    ['{name: other}, {name: alias}', true],
    ['{name: "*", protocol: openai}', true],
    ['{name: "*", protocol: OpenAI}', true],
    ['{name: "*", protocol: claude}', false],
    ['{name: "*", from-protocol: claude}', true],
    ['{name: "*", from-protocol: gemini}', false],
    ['{name: "*", headers: {X-Team: "blue-*"}}', true],
    ['{name: "*", headers: {X-Team: "red-*"}}', false],
    ['{name: "*", headers: {X-None: "*"}}', false],
  ])('%s: %p', (selector, expected) => expect(applies(selector)).toBe(expected));

  test.each([
    ['responses', 'openai-response'],
    ['openai-responses', 'openai-response'],
    ['response', 'openai-response'],
    ['openai-chat', 'openai'],
    ['anthropic-messages', 'claude'],
    ['xai', 'codex'],
    ['Vertex', 'gemini'],
  ])('the format is called %s', (name, format) => {
    expect(applies(`{name: "*", from-protocol: ${name}}`, '{}', { from: format })).toBe(true);
  });

  const body = '{"a":{"b":[1,{"c":2}]},"n":null,"tools":[{"type":"x","v":1},{"type":"y","v":2}]}';
  test.each([
    ['match: [{a.b.1: {c: 2}}]', true],
    ['match: [{a.b.1: {c: 3}}]', false],
    ['match: [{a.b.0: 1, n: null}]', true],
    ['match: [{a.b.0: "1"}]', false],
    ['match: [{"tools.#(type==y).v": 2}]', true],
    ['match: [{a.b.0: 1}, {a.b.0: 2}]', false],
    ['not-match: [{a.b.0: 2}]', true],
    ['not-match: [{a.b.0: 1}]', false],
    ['not-match: [{gone: 1}]', true],
    ['exist: [a.b]', true],
    ['exist: [a.b, gone]', false],
    ['exist: [n]', false],
    ['not-exist: [n, gone]', true],
    ['not-exist: [a]', false],
    ['exist: [a], match: [{a.b.0: 1}], not-exist: [gone]', true],
  ])('the body fits %s: %p', (conditions, expected) =>
    expect(applies(`{name: "*", ${conditions}}`, body)).toBe(expected),
  );
});

describe('what cannot be used is a fault of the config that names the path', () => {
  test.each([
    [
      `  override:\n${rule('{a..b: 1}')}`,
      'payload.override[0].params["a..b"]',
      'is no path; expected a key at',
    ],
    [`  filter:\n${rule('[a, "b.*"]')}`, 'payload.filter[0].params[1]', 'is no path'],
    [`  default-raw:\n${rule('{a: "{broken"}')}`, 'payload.default-raw[0].params.a', 'is not JSON'],
    [`  override:\n${rule('{a: 1}', '[]')}`, 'payload.override[0].models', 'the rule is for nothing'],
    [
      `  override:\n${rule('{a: 1}', '[{name: x, protocol: opnai}]')}`,
      'models[0].protocol',
      '"opnai" is no format',
    ],
    [`  override:\n${rule('{a: 1}', '[{name: x, exist: ["a.#"]}]')}`, 'models[0].exist[0]', 'is no path'],
  ])('%s', (yaml, path, message) => {
    const said = refused(() => parse(`payload:\n${yaml}`)).message;
    expect(said).toContain(path);
    expect(said).toContain(message);
  });
});

describe('on the way to an upstream', () => {
  const yaml = [
    'payload:',
    '  default:',
    '    - {models: [{name: "gpt*"}], params: {temperature: 0.25}}',
    '  override:',
    '    - {models: [{name: real/gpt, from-protocol: claude}], params: {user: translated}}',
    '    - {models: [{name: gpt, from-protocol: openai}], params: {user: direct}}',
    '    - {models: [{name: claude, protocol: claude, headers: {x-team: "blue*"}}], params: {metadata.user_id: blue}}',
    '  filter:',
    '    - {models: [{name: "gpt(high)"}], params: [reasoning_effort]}',
    '',
  ].join('\n');

  /** Sends a request and gives the body that came out at the other end. */
  async function sentBody(path: string, body: string, headers: Record<string, string> = {}): Promise<string> {
    const bodies: string[] = [];
    const provider = upstream(async (request) => {
      bodies.push(await request.text());
      return Response.json({ error: { message: 'Seen.' } }, { status: 400 });
    });
    const entries = [
      'claude-api-key:',
      `  - {api-key: sk-upstream-one-0123456789, base-url: "${provider.url}", models: [{name: claude-real, alias: claude}]}`,
    ].join('\n');
    const models = ['{name: real/gpt, alias: gpt}'];
    const it = standing(
      `openai-compatibility:\n${compatible('sim', provider.url, models)}${entries}\n${yaml}`,
    );
    await it.post(path, body, { headers });
    await it.stop();
    await provider.stop();
    return bodies[0]!;
  }

  const messages = '[{"role":"user","content":"Hi \\u00e9"}]';

  test('the direct lane keeps every byte that no rule touches', async () => {
    const body = ` {"model":"gpt", "n" : 1.0 ,"messages":${messages}}`;
    expect(await sentBody('/v1/chat/completions', body)).toBe(
      `{"model":"real/gpt","n" : 1.0,"messages":${messages},"temperature":0.25,"user":"direct"}`,
    );
  });

  test('a model that no rule is for is sent as it is', async () => {
    const body = ` {"model":"claude", "max_tokens" : 9 ,"messages":${messages}}`;
    expect(await sentBody('/v1/messages', body)).toBe(body.replace('"claude"', '"claude-real"'));
    const ruled = await sentBody('/v1/messages', body, { 'x-team': 'blue-7' });
    expect(ruled).toContain('"metadata":{"user_id":"blue"}');
  });

  test('a translated request is edited in the words of its upstream', async () => {
    const body = `{"model":"gpt","max_tokens":9,"temperature":1,"messages":${messages}}`;
    expect(JSON.parse(await sentBody('/v1/messages', body))).toMatchObject({
      model: 'real/gpt',
      temperature: 1,
      user: 'translated',
    });
  });

  test('a rule for a name with its suffix sees what the suffix became', async () => {
    const body = `{"model":"gpt(high)","messages":${messages}}`;
    const sent = JSON.parse(await sentBody('/v1/chat/completions', body));
    expect(sent).toMatchObject({ model: 'real/gpt', user: 'direct' });
    expect(sent).not.toHaveProperty('reasoning_effort');
  });
});
