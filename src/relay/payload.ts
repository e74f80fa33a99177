import { formatNamed, type Param, type PayloadRule, type Selector } from '../config/payload.ts';
import { editTopLevel, type Json, parseObject } from '../core/json.ts';
import { type Path, removeAt, setAt, valuesAt } from '../core/path.ts';
import type { Errand } from './errand.ts';
import type { Attempt } from './routing/plan.ts';

/** The operator's `payload` rules, applied to a body that is ready to go to the upstream. */

/** What rules ask of a request besides its body. */
export interface Sent {
  /** Every name of the model: the upstream's, the client's, and the latter with its suffix. */
  readonly models: readonly string[];
  /** The format of the upstream, and that of the client. */
  readonly to: string | undefined;
  readonly from: string | undefined;
  readonly headers: Headers;
}

/** The body of an attempt as the config's rules want it. */
export function payloadOf(body: string, { exchange, plan, hint }: Errand, attempt: Attempt): string {
  const { payload } = exchange.runtime;
  if (payload.length === 0) return body;
  const models = [attempt.model, plan.name];
  // A fallback is another model than the one that was asked for.
  if (hint.model.startsWith(plan.name)) models.push(hint.model);
  return ruledBody(body, payload, {
    models,
    to: upstreamFormat(attempt),
    from: formatNamed(exchange.protocol.id),
    headers: exchange.headers,
  });
}

/**
 * The body as the rules want it. It is read only when a rule is for this request, and what no rule touches keeps its
 * bytes.
 */
export function ruledBody(body: string, payload: readonly PayloadRule[], sent: Sent): string {
  const rules: PayloadRule[] = [];
  for (const rule of payload) {
    const models = rule.models.filter((selector) => fits(selector, sent));
    if (models.length > 0) rules.push({ ...rule, models });
  }
  if (rules.length === 0) return body;
  const before = parseObject(body);
  const after = applied(rules, before);
  return after === before ? body : editTopLevel(body, changes(before, after));
}

const fits = (selector: Selector, { models, to, from, headers }: Sent): boolean =>
  models.some(selector.name) &&
  (selector.protocol ?? to) === to &&
  (selector.fromProtocol ?? from) === from &&
  hasAll(headers, selector);

const hasAll = (sent: Headers, { headers }: Selector): boolean =>
  headers.every(([name, like]) => sent.has(name) && like(sent.get(name)!));

/** What rules call the format of an upstream: a wire of its own has the name of its place. */
function upstreamFormat({ connection, protocol }: Attempt): string | undefined {
  if (protocol.id === 'openai-responses')
    return responsesPlaces.has(connection.provider) ? 'codex' : 'openai-response';
  return connection.provider === 'antigravity' ? 'antigravity' : formatNamed(protocol.id);
}

const responsesPlaces = new Set(['codex', 'xai']);

// --------------------------------------------------------------------------------------------------------- applying

function applied(rules: readonly PayloadRule[], before: Json): Json {
  let body: Json = before;
  const filled = new Set<string>();
  for (const { kind, params, models } of rules) {
    if (!models.some((selector) => holds(selector, body))) continue;
    for (const { path, value } of params) {
      if (kind === 'filter') body = removeAt(body, path) as Json;
      else if (kind === 'override') body = setAt(body, path, value) as Json;
      else if (!filled.has(path.text) && valuesAt(before, path).length === 0) {
        filled.add(path.text);
        body = setAt(body, path, value) as Json;
      }
    }
  }
  return body;
}

const holds = ({ match, notMatch, exist, notExist }: Selector, body: Json): boolean =>
  match.every((pair) => stands(body, pair)) &&
  !notMatch.some((pair) => stands(body, pair)) &&
  exist.every((path) => exists(body, path)) &&
  !notExist.some((path) => exists(body, path));

const stands = (body: Json, { path, value }: Param): boolean =>
  valuesAt(body, path).some((found) => Bun.deepEquals(found, value, true));

const exists = (body: Json, path: Path): boolean => valuesAt(body, path).some((found) => found !== null);

/** The fields that differ, each with its new value; undefined for one that is gone. */
function changes(before: Json, after: Json): ReadonlyMap<string, unknown> {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return new Map([...keys].filter((key) => before[key] !== after[key]).map((key) => [key, after[key]]));
}
