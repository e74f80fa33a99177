import { replaceTopLevel } from '../core/json.ts';
import type { Variant } from '../protocols/protocol.ts';
import type { Frame } from '../wire/sse.ts';
import type { Errand } from './errand.ts';
import type { Edit } from './lane.ts';
import type { Attempt } from './routing/plan.ts';

/** What the direct lane changes: the model's name where the two sides know another, and what a variant of the wire differs in. */

/** The client's own bytes, but for the model's name where the upstream knows another. */
export function directBody({ exchange, hint }: Errand, attempt: Attempt): string {
  return hint.model === attempt.model
    ? exchange.body
    : replaceTopLevel(exchange.body, 'model', attempt.model);
}

/** The same as the upstream's variant of the wire takes it; undefined when only the hall can say it. */
export function adaptedBody(errand: Errand, attempt: Attempt): string | undefined {
  const variant = variantOf(attempt);
  if (!variant) return directBody(errand, attempt);
  const { card, model } = attempt;
  const body = variant.adapt({ ...errand.body, model }, { card, drop: errand.drop });
  return body && JSON.stringify(body);
}

/** The variant of its wire that the upstream of an attempt speaks, where there is one. */
export function variantOf({ connection, protocol }: Attempt): Variant | undefined {
  return connection.dialect === undefined ? undefined : protocol.upstream?.dialects?.[connection.dialect];
}

/** What is done to each frame of a streamed answer; undefined when its bytes pass as they are. */
export function directEdit(errand: Errand, attempt: Attempt): Edit | undefined {
  const mend = variantOf(attempt)?.mend?.(errand.exchange.headers);
  const edits = [mend, keeping(errand, attempt), shown(attempt)].filter((edit) => edit !== undefined);
  if (edits.length === 0) return undefined;
  return (frame) => edits.reduce<Frame | undefined>((made, edit) => made && edit(made), frame);
}

/** An upstream that remembers nothing leaves it to the gateway to keep what its client will continue. */
function keeping({ client, keep }: Errand, { connection }: Attempt): Edit | undefined {
  const { continuing } = client;
  if (!keep || !continuing || continuing.remembers(connection.dialect)) return undefined;
  return (frame) => {
    const answer = continuing.answerIn(frame);
    if (answer) keep(answer);
    return frame;
  };
}

/** Under `force-mapping` every frame that names the model names the alias. In JSON text a quoted key cannot occur inside a string. */
function shown({ shownAs }: Attempt): Edit | undefined {
  if (shownAs === undefined) return undefined;
  const value = JSON.stringify(shownAs);
  return (frame) => ({
    ...frame,
    data: frame.data.replace(
      /"(model|modelVersion)"(\s*:\s*)"(?:[^"\\]|\\.)*"/,
      (_, key: string, colon: string) => `"${key}"${colon}${value}`,
    ),
  });
}
