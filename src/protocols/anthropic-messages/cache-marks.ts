import { type Json, readObject, readObjects } from '../../core/json.ts';
import type { Drop } from '../protocol.ts';
import type { WireMessage } from './encode-messages.ts';

/** The most prompt-cache marks that Anthropic accepts in one request. */
const most = 4;

/** The parts of a body that may carry marks, in the order in which the prompt is cached. */
interface Marked {
  readonly tools: readonly Json[];
  readonly system: readonly Json[];
  readonly messages: readonly WireMessage[];
}

/** A body that is being built; its blocks are this encoder's own, so marks may be taken off in place. */
type Block = Record<string, unknown>;

/**
 * Takes off the marks that Anthropic would refuse: those beyond four, least valuable first, and the `1h` of one that
 * comes after a mark of five minutes. `reserved` is 1 when the body asks for automatic caching, which takes a place.
 */
export function limitMarks({ tools, system, messages }: Marked, reserved: 0 | 1, drop: Drop): void {
  const groups = [tools, system, messages.flatMap(({ content }) => content)].map(markedIn);
  const [onTools, onSystem, onMessages] = groups as [Block[], Block[], Block[]];
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

/** The marked blocks of a list, those inside tool results included. */
function markedIn(blocks: readonly Json[]): Block[] {
  const marked: Block[] = [];
  for (const block of blocks) {
    if (block.type === 'tool_result') marked.push(...markedIn(readObjects(block.content)));
    if (block.cache_control) marked.push(block as Block);
  }
  return marked;
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
