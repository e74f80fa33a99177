import type { ChatEvent } from '../../src/core/event.ts';

/**
 * What is wrong with a stream by the event grammar of `core/event.ts`, in one line each; empty when nothing is:
 * one `start` first (a lone `error` excepted), blocks that never nest with numbers rising from 0, choices that
 * never go back, exactly one `finish` or `error` and nothing after it.
 */
export function grammarFaults(events: readonly ChatEvent[]): readonly string[] {
  const faults: string[] = [];
  let open: number | undefined;
  let opened = 0;
  let choice = 0;
  let terminal: string | undefined;

  const onBlock = (at: string, block: number, next: number) => {
    if (open !== undefined) faults.push(`${at}: opens inside block ${open}`);
    if (block !== opened) faults.push(`${at}: has number ${block} instead of ${opened}`);
    if (next < choice) faults.push(`${at}: goes back from choice ${choice} to ${next}`);
    choice = next;
    opened++;
  };

  for (const [index, event] of events.entries()) {
    const at = `event ${index} (${event.type})`;
    if (terminal) faults.push(`${at}: comes after ${terminal}`);
    if (index === 0 && event.type !== 'start' && !(event.type === 'error' && events.length === 1))
      faults.push(`${at}: comes before start`);
    if (index > 0 && event.type === 'start') faults.push(`${at}: is a second start`);
    if (event.type === 'block-start') {
      onBlock(at, event.block, event.choice ?? 0);
      open = event.block;
      const { head } = event;
      if (head.kind === 'tool-call' && (!head.name || !head.callId))
        faults.push(`${at}: a call without name or id`);
    }
    if (event.type === 'block') onBlock(at, event.block, event.choice ?? 0);
    if ((event.type === 'block-delta' || event.type === 'block-end') && event.block !== open)
      faults.push(`${at}: speaks of block ${event.block} while ${open ?? 'none'} is open`);
    if (event.type === 'block-end') open = undefined;
    if (event.type === 'finish' && open !== undefined) faults.push(`${at}: leaves block ${open} open`);
    if (event.type === 'finish' || event.type === 'error') terminal = `${event.type} at ${index}`;
  }
  if (!terminal) faults.push('the stream has no finish and no error');
  return faults;
}

/** Fails with the events at fault when a stream breaks the grammar. */
export function expectGrammar(events: readonly ChatEvent[], about = ''): void {
  const faults = grammarFaults(events);
  if (faults.length === 0) return;
  const shown = events.map((event, index) => `${index} ${JSON.stringify(event)}`).join('\n');
  throw new Error(`${about ? `${about}: ` : ''}${faults.join('; ')}\n${shown}`);
}

/** The last event when it is the one `finish` or `error`; fails otherwise. */
export function terminalOf(events: readonly ChatEvent[]): Extract<ChatEvent, { type: 'finish' | 'error' }> {
  const terminals = events.filter((event) => event.type === 'finish' || event.type === 'error');
  const last = events.at(-1);
  if (terminals.length !== 1 || !last || (last.type !== 'finish' && last.type !== 'error'))
    throw new Error(
      `expected one terminal event at the end, got: ${events.map((event) => event.type).join(' ')}`,
    );
  return last;
}
