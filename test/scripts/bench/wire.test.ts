import { expect, test } from 'bun:test';
import { type ClientWire, fault, replyBody, streamParts } from '../../../scripts/bench/wire.ts';

const wires: readonly ClientWire[] = ['chat', 'messages', 'responses', 'gemini'];
const stream = (wire: ClientWire, number: string) => Buffer.from(streamParts(wire, number).join(''));

test.each(wires)('the bench takes a right answer in %s as right', (wire) => {
  expect(fault(wire, true, '00000042', stream(wire, '00000042'))).toBeUndefined();
});

test.each(wires)('the bench sees a wrong, a cut and a thinned answer in %s', (wire) => {
  const answer = stream(wire, '00000042');
  const parts = streamParts(wire, '00000042');
  expect(fault(wire, true, '00000043', answer)).toContain('not the answer');
  expect(fault(wire, true, '00000042', answer.subarray(0, -1))).toContain('terminal');
  expect(fault(wire, true, '00000042', Buffer.from(parts.toSpliced(9, 1).join('')))).toContain('99 chunks');
});

test.each(['chat', 'messages'] as const)('the bench tells a whole answer in %s from a cut one', (wire) => {
  const answer = Buffer.from(replyBody(wire, '00000042'));
  expect(fault(wire, false, '00000042', answer)).toBeUndefined();
  expect(fault(wire, false, '00000042', answer.subarray(0, -1))).toContain('JSON');
});
