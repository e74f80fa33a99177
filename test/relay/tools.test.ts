import { expect, test } from 'bun:test';
import type { ChatRequest } from '../../src/core/request.ts';
import type { ChatEvent } from '../../src/core/event.ts';
import { run } from '../../src/core/machine.ts';
import { fitTools } from '../../src/relay/tools.ts';

const rule = { forbidden: /[^A-Za-z0-9_-]/, longest: 12 };
const request = (...names: string[]): ChatRequest => ({
  model: 'm',
  system: [],
  messages: [
    {
      role: 'assistant',
      parts: names.map((name, n) => ({ kind: 'tool-call' as const, callId: `c${n}`, name, args: '{}' })),
    },
  ],
  tools: names.map((name) => ({
    kind: 'function' as const,
    name,
    schema: { type: 'object', properties: {} },
  })),
  toolChoice: { kind: 'tool', name: names[0]! },
  sampling: {},
  stream: false,
  extra: {},
});

test('leaves a request alone whose names the wire accepts', () => {
  expect(fitTools(request('read_file', 'Write-2'), rule, () => {})).toBeUndefined();
});

test('renames what the wire refuses everywhere in the request, and back in the answer', () => {
  const names = fitTools(request('fs.read', 'ok'), rule, () => {})!;
  expect(names.request.tools.map((tool) => tool.name)).toEqual(['fs_read', 'ok']);
  expect(names.request.toolChoice).toEqual({ kind: 'tool', name: 'fs_read' });
  expect(names.request.messages[0]!.parts[0]).toMatchObject({ name: 'fs_read' });
  const event = {
    type: 'block-start',
    block: 0,
    head: { kind: 'tool-call', callId: 'x', name: 'fs_read' },
  } as const;
  expect(run(names.restoreEvents(), [event])).toMatchObject([{ head: { name: 'fs.read' } }]);
});

test('never gives two tools one name', () => {
  const names = fitTools(
    request('fs.read', 'fs/read', 'fs_read', 'a_very_long_tool_name', 'a_very_long_tool_nome'),
    rule,
    () => {},
  )!;
  const given = names.request.tools.map((tool) => tool.name);
  expect(new Set(given).size).toBe(5);
  expect(given.every((name) => name.length <= 12 && !rule.forbidden.test(name))).toBe(true);
  expect(given[2]).toBe('fs_read');
});

const custom: ChatRequest = {
  ...request(),
  tools: [
    { kind: 'custom', name: 'apply_patch', format: { type: 'grammar' } },
    { kind: 'function', name: 'read', namespace: 'fs', schema: { type: 'object', properties: {} } },
    { kind: 'function', name: 'read', schema: { type: 'object', properties: {} } },
  ],
  messages: [
    {
      role: 'assistant',
      parts: [
        { kind: 'tool-call', callId: 'c1', name: 'apply_patch', args: 'free "text"', custom: true },
        { kind: 'tool-call', callId: 'c2', name: 'read', namespace: 'fs', args: '{}' },
      ],
    },
    { role: 'user', parts: [{ kind: 'tool-result', callId: 'c1', parts: [], failed: false, custom: true }] },
  ],
};

test('carries free-form tools and namespaces as plain functions, and reports a grammar that is lost', () => {
  const drops: string[] = [];
  const { request } = fitTools(custom, { forbidden: /[^\w-]/, longest: 64 }, (what) => drops.push(what))!;
  expect(request.tools.map(({ kind, name }) => [kind, name])).toEqual([
    ['function', 'apply_patch'],
    ['function', 'fs__read'],
    ['function', 'read'],
  ]);
  expect(request.messages[0]!.parts).toEqual([
    { kind: 'tool-call', callId: 'c1', name: 'apply_patch', args: '{"input":"free \\"text\\""}' },
    { kind: 'tool-call', callId: 'c2', name: 'fs__read', args: '{}' },
  ]);
  expect(request.messages[1]!.parts[0]).not.toHaveProperty('custom');
  expect(drops).toEqual(['tools.apply_patch.format']);
});

test('gives calls back as the client defined them, free text out of its JSON', () => {
  const tools = fitTools(custom, { forbidden: /[^\w-]/, longest: 64 }, () => {})!;
  const events: ChatEvent[] = [
    { type: 'block-start', block: 0, head: { kind: 'tool-call', callId: 'x', name: 'apply_patch' } },
    { type: 'block-delta', block: 0, text: '{"input":' },
    { type: 'block-delta', block: 0, text: '"a\\nb"}' },
    { type: 'block-end', block: 0 },
    { type: 'block-start', block: 1, head: { kind: 'tool-call', callId: 'y', name: 'fs__read' } },
  ];
  expect(run(tools.restoreEvents(), events)).toEqual([
    {
      type: 'block-start',
      block: 0,
      head: { kind: 'tool-call', callId: 'x', name: 'apply_patch', custom: true },
    },
    { type: 'block-delta', block: 0, text: 'a\nb' },
    { type: 'block-end', block: 0 },
    {
      type: 'block-start',
      block: 1,
      head: { kind: 'tool-call', callId: 'y', name: 'read', namespace: 'fs' },
    },
  ]);
});

test('leaves a wire alone that has both of them', () => {
  const rule = { forbidden: /[^\w-]/, longest: 64, namespaces: true, freeForm: true } as const;
  expect(fitTools(custom, rule, () => {})).toBeUndefined();
});
