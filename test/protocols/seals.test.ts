import { describe, expect, test } from 'bun:test';
import type { Seal } from '../../src/core/request.ts';
import { decodeSeal, encodeSeal, holdsForeignThoughts } from '../../src/protocols/seals.ts';
import { random } from '../support/random.ts';

describe('a seal on the wire of another vendor', () => {
  test('names its issuer, and its model and account where they are known', () => {
    const seal: Seal = { issuer: 'openai', value: 'gAAA.b', redacted: true };
    expect(encodeSeal(seal, 'anthropic')).toBe('gw1r.openai.gAAA.b');
    expect(encodeSeal({ ...seal, model: 'org/gpt-5.2@x', account: '01ab' }, 'anthropic')).toBe(
      'gw1r.openai/org%2Fgpt-5%2E2%40x@01ab.gAAA.b',
    );
  });

  test('is bare on the wire of its own', () => {
    expect(encodeSeal({ issuer: 'openai', model: 'm', account: 'a', value: 'v' }, 'openai')).toBe('v');
    expect(decodeSeal('v', 'openai')).toEqual({ issuer: 'openai', value: 'v' });
    expect(decodeSeal('', 'openai')).toBeUndefined();
  });

  test('comes back as it was, whatever it and its names hold', () => {
    const dice = random(7);
    for (let round = 0; round < 500; round++) {
      const seal: Seal = {
        issuer: dice.pick(['openai', 'x-1']),
        value: dice.text(4),
        ...(dice.oneIn(2) ? { model: `m${dice.text(3).toWellFormed()}./@%` } : {}),
        ...(dice.oneIn(2) ? { account: '0123456789abcdef' } : {}),
        ...(dice.oneIn(2) ? { redacted: true } : {}),
      };
      expect(decodeSeal(encodeSeal(seal, 'anthropic'), 'anthropic')).toEqual(seal);
    }
  });

  test('is read though its names are no encoding of ours', () => {
    expect(decodeSeal('gw1.openai/50%@a.v', 'gemini')).toEqual({
      issuer: 'openai',
      model: '50%',
      account: 'a',
      value: 'v',
    });
  });
});

describe('thoughts of another vendor in a body', () => {
  const found = (body: object) => holdsForeignThoughts(JSON.stringify(body), { ...body });

  test('are seen by our mark, wherever it stands', () => {
    expect(found({ contents: [{ parts: [{ text: 'a', thoughtSignature: 'gw1.openai.v' }] }] })).toBe(true);
    expect(found({ input: [{ type: 'reasoning', encrypted_content: 'gw1r.anthropic.v' }] })).toBe(true);
    expect(found({ contents: [{ parts: [{ text: 'the mark "gw1.openai.v"' }] }] })).toBe(false);
  });

  test('are seen when nobody signed them', () => {
    const thinking = (signature?: string) => ({
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: [{ type: 'thinking', thinking: 'hm', signature }] },
      ],
    });
    expect(found(thinking(''))).toBe(true);
    expect(found(thinking())).toBe(true);
    expect(found(thinking('EsIM'))).toBe(false);
  });
});
