import { type Json, readArray, readObject, readObjects } from '../core/json.ts';

/** The calls and results in the history of a GenerateContent request. */

/** What stands in a part: a call of the model's, or the result of one. */
type Kind = 'functionCall' | 'functionResponse';

const spellings: readonly (readonly [key: string, kind: Kind])[] = [
  ['functionCall', 'functionCall'],
  ['function_call', 'functionCall'],
  ['functionResponse', 'functionResponse'],
  ['function_response', 'functionResponse'],
];

/**
 * A request with every call and every result changed by a function, in their order; the very same object when nothing
 * changes.
 */
export function mapCalls(request: Json, change: (call: Json, kind: Kind) => Json): Json {
  const contents = readArray(request.contents);
  if (!contents) return request;
  const changed = mapped(contents, (content) => {
    const parts = readObjects(content.parts);
    const after = mapped(parts, (part) => mapPart(part, change));
    return after === parts ? content : { ...content, parts: after };
  });
  return changed === contents ? request : { ...request, contents: changed };
}

function mapPart(part: Json, change: (call: Json, kind: Kind) => Json): Json {
  for (const [key, kind] of spellings) {
    const call = readObject(part[key]);
    if (!call) continue;
    const after = change(call, kind);
    return after === call ? part : { ...part, [key]: after };
  }
  return part;
}

/** The very same list when no item of it changes. What is no object stays as it is. */
function mapped(items: readonly unknown[], change: (item: Json) => Json): readonly unknown[] {
  const after = items.map((item) => {
    const object = readObject(item);
    return object ? change(object) : item;
  });
  return after.every((item, index) => item === items[index]) ? items : after;
}

/** The same request with an id on each call and on its result, for places that match them by nothing else. */
export function withCallIds(request: Json): Json {
  const waiting: { readonly name: unknown; readonly id: string }[] = [];
  let count = 0;
  return mapCalls(request, (call, kind) => {
    if (kind === 'functionCall') {
      const id = typeof call.id === 'string' && call.id !== '' ? call.id : `call_${count++}`;
      waiting.push({ name: call.name, id });
      return call.id === id ? call : { ...call, id };
    }
    const own = waiting.findIndex(({ id, name }) => (call.id ? id === call.id : name === call.name));
    const [answered] = own < 0 ? [] : waiting.splice(own, 1);
    return answered && answered.id !== call.id ? { ...call, id: answered.id } : call;
  });
}
