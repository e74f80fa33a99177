import { expect, test } from 'bun:test';
import type { ChatRequest } from '../../src/core/request.ts';
import { fitNames } from '../../src/relay/names.ts';

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
  expect(fitNames(request('read_file', 'Write-2'), rule)).toBeUndefined();
});

test('renames what the wire refuses everywhere in the request, and back in the answer', () => {
  const names = fitNames(request('fs.read', 'ok'), rule)!;
  expect(names.request.tools.map((tool) => tool.name)).toEqual(['fs_read', 'ok']);
  expect(names.request.toolChoice).toEqual({ kind: 'tool', name: 'fs_read' });
  expect(names.request.messages[0]!.parts[0]).toMatchObject({ name: 'fs_read' });
  const event = {
    type: 'block-start',
    block: 0,
    head: { kind: 'tool-call', callId: 'x', name: 'fs_read' },
  } as const;
  expect(names.restoreEvent(event)).toMatchObject({ head: { name: 'fs.read' } });
});

test('never gives two tools one name', () => {
  const names = fitNames(
    request('fs.read', 'fs/read', 'fs_read', 'a_very_long_tool_name', 'a_very_long_tool_nome'),
    rule,
  )!;
  const given = names.request.tools.map((tool) => tool.name);
  expect(new Set(given).size).toBe(5);
  expect(given.every((name) => name.length <= 12 && !rule.forbidden.test(name))).toBe(true);
  expect(given[2]).toBe('fs_read');
});
