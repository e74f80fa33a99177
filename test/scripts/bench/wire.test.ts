import { expect, test } from 'bun:test';
import { fault, replyBody, streamParts, type Wire } from '../../../scripts/bench/wire.ts';

const wires: readonly Wire[] = ['chat', 'messages'];
const stream = (wire: Wire, number: string) => Buffer.from(streamParts(wire, number).join(''));

test.each(wires)('the bench takes a right answer in %s as right', (wire) => {
  expect(fault(wire, false, '00000042', Buffer.from(replyBody(wire, '00000042')))).toBeUndefined();
  expect(fault(wire, true, '00000042', stream(wire, '00000042'))).toBeUndefined();
});

test.each(wires)('the bench sees a wrong, a cut and a thinned answer in %s', (wire) => {
  const answer = stream(wire, '00000042');
  const parts = streamParts(wire, '00000042');
  expect(fault(wire, true, '00000043', answer)).toContain('not the answer');
  expect(fault(wire, true, '00000042', answer.subarray(0, -30))).toContain('terminal');
  expect(fault(wire, true, '00000042', Buffer.from(parts.toSpliced(9, 1).join('')))).toContain('99 chunks');
  expect(fault(wire, false, '00000042', Buffer.from(replyBody(wire, '00000042').slice(0, -1)))).toContain(
    'JSON',
  );
});
