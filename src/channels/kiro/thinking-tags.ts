import { type Machine, machine, type Tell, type Teller } from '../../core/machine.ts';

/** A piece of an answer's text, as thought or as answer. */
export interface Spoken {
  readonly kind: 'text' | 'reasoning';
  readonly text: string;
}

const opening = '<thinking>';
const closing = '</thinking>';

/**
 * Tells a model's thoughts from its answer where both come as text: they stand at the very beginning between
 * `<thinking>` and `</thinking>`. Such tags anywhere else are words of the answer.
 */
export const thinkingTags = (): Machine<string, Spoken> => machine(tellTags);

function tellTags(tell: Tell<Spoken>): Teller<string> {
  let place: 'start' | 'thought' | 'gap' | 'answer' = 'start';
  let held = '';

  function take(last: boolean): void {
    if (place === 'start') {
      const begun = held.trimStart();
      if (!last && begun.length < opening.length && opening.startsWith(begun)) return;
      if (begun.startsWith(opening)) {
        place = 'thought';
        held = begun.slice(opening.length);
      } else place = 'answer';
    }
    if (place === 'thought') {
      const end = held.indexOf(closing);
      const cut = end >= 0 ? end : held.length - (last ? 0 : openEnd(held));
      if (cut > 0) tell({ kind: 'reasoning', text: held.slice(0, cut) });
      held = held.slice(end >= 0 ? end + closing.length : cut);
      if (end >= 0) place = 'gap';
    }
    if (place === 'gap') {
      // The line ends between the thought and the answer belong to neither.
      held = held.trimStart();
      if (held !== '') place = 'answer';
    }
    if (place === 'answer' && held !== '') {
      tell({ kind: 'text', text: held });
      held = '';
    }
  }

  return {
    push(text) {
      held += text;
      take(false);
    },
    end: () => take(true),
  };
}

/** How many characters at the end of a text may be the beginning of the closing tag. */
function openEnd(text: string): number {
  for (let length = Math.min(closing.length - 1, text.length); length > 0; length--)
    if (text.endsWith(closing.slice(0, length))) return length;
  return 0;
}
