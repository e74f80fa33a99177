import { type Json, readObject, readObjects } from '../../core/json.ts';
import type { Drop } from '../protocol.ts';
import type { WireMessage } from './encode-messages.ts';

/** The most prompt-cache marks that Anthropic accepts in one request. */
const most = 4;

/** A body that is being built; its blocks are this encoder's own, so marks may be taken off in place. */
type Block = Record<string, unknown>;

/**
 * Takes off the marks that Anthropic would refuse: those beyond four, least valuable first, and the `1h` of one that
 * comes after a mark of five minutes. The prompt is cached in the order tools, system, messages. `reserved` is 1 when the
 * body asks for automatic caching, which takes a place.
 */
export function limitMarks(
  tools: readonly Json[],
  system: readonly Json[],
  messages: readonly WireMessage[],
  reserved: 0 | 1,
  drop: Drop,
): void {
  const onTools = markedIn(tools);
  const onSystem = markedIn(system);
  const onMessages = messages.flatMap(({ content }) => markedIn(content));
  if (onTools.length + onSystem.length + onMessages.length === 0) return;
  const byWorth = [
    ...onSystem.slice(0, -1),
    ...onTools.slice(0, -1),
    ...onMessages,
    ...onSystem.slice(-1),
    ...onTools.slice(-1),
  ];
  const tooMany = byWorth.slice(0, Math.max(0, byWorth.length - (most - reserved)));
  for (const block of tooMany) delete block.cache_control;
  if (tooMany.length > 0) drop(`cache_control: ${tooMany.length} more than the ${most} Anthropic accepts`);
  shortenLater([...onTools, ...onSystem, ...onMessages], drop);
}

const unmarked: readonly Block[] = [];

/** The marked blocks of a list, those inside tool results included. */
function markedIn(blocks: readonly Json[]): readonly Block[] {
  let marked: Block[] | undefined;
  for (const block of blocks) {
    if (block.type === 'tool_result') {
      const inside = markedIn(readObjects(block.content));
      if (inside.length > 0) (marked ??= []).push(...inside);
    }
    if (block.cache_control) (marked ??= []).push(block as Block);
  }
  return marked ?? unmarked;
}

function shortenLater(blocks: readonly Block[], drop: Drop): void {
  let short = false;
  for (const block of blocks) {
    const control = readObject(block.cache_control);
    if (!control) continue;
    if (control.ttl === '1h' && short) {
      block.cache_control = { type: 'ephemeral' };
      drop('cache_control.ttl: an hour may not follow five minutes');
    }
    short ||= control.ttl !== '1h';
  }
}
