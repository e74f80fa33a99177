import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { GatewayError, Scope } from '../core/error.ts';
import type { Account } from './account.ts';

/** The operator's own word on upstream errors: what one of them means for the request and for its credential. */

const actions = ['stop', 'stop-and-cooldown', 'continue', 'continue-and-cooldown'] as const;

/** `stop` answers the client with the error, `continue` tries the next credential; only `…-and-cooldown` rests this one. */
export type Action = (typeof actions)[number];

/** One rule of `request-scoped-errors`, as the config and the files of logins spell it. */
const failureRuleSchema = Type.Object(
  {
    status: Type.Integer({
      minimum: 100,
      maximum: 599,
      description: "The status of the upstream's answer, such as 400.",
    }),
    match: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        description: 'Texts one of which is in the error, upper and lower case as given.',
      }),
    ),
    'match-regexr': Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), { description: 'Regular expressions one of which matches.' }),
    ),
    action: Type.Unsafe<Action>(
      Type.Union(
        actions.map((action) => Type.Literal(action)),
        {
          description: 'stop: the client gets the error; continue: the next credential; and-cooldown: rest.',
        },
      ),
    ),
  },
  { description: 'One rule; the first that matches decides.' },
);

/** The list of such rules. */
export const failureRulesSchema = Type.Array(failureRuleSchema, {
  description: 'What errors of the upstream mean: whether to go on, and whether the credential rests.',
});

/** A rule as it is written. */
export interface FailureRuleEntry {
  readonly status: number;
  readonly match?: readonly string[];
  readonly 'match-regexr'?: readonly string[];
  readonly action: Action;
}

/** A rule, ready to be asked. */
export interface FailureRule {
  readonly status: number;
  readonly texts: readonly string[];
  readonly patterns: readonly RegExp[];
  readonly action: Action;
}

/** Tells what is wrong; `path` is relative to the list, such as `[0].match-regexr[1]`. */
export type RefuseRule = (path: string, expected: string) => void;

/** Makes rules ready. A rule that can never match is a mistake: it is told, and left out where the telling returns. */
export function failureRules(
  entries: readonly FailureRuleEntry[] | undefined,
  refuse: RefuseRule,
): readonly FailureRule[] {
  return (entries ?? []).map((entry, index) => {
    const texts = entry.match ?? [];
    const expressions = entry['match-regexr'] ?? [];
    if (texts.length + expressions.length === 0)
      refuse(`[${index}]`, 'match or match-regexr with something to look for');
    const patterns = expressions.flatMap((source, at) => {
      const pattern = patternOf(source);
      if (!pattern)
        refuse(`[${index}].match-regexr[${at}]`, 'a regular expression such as "quota.*exceeded"');
      return pattern ?? [];
    });
    return { status: entry.status, texts, patterns, action: entry.action };
  });
}

/** The rules of a login's file, which nobody has checked yet. */
export function failureRulesIn(value: unknown, refuse: RefuseRule): readonly FailureRule[] {
  if (value === undefined || value === null) return [];
  const error = Value.Errors(failureRulesSchema, value).First();
  if (!error) return failureRules(value as readonly FailureRuleEntry[], refuse);
  const path = error.path.replaceAll(/\/(\d+)(?=\/|$)/g, '[$1]').replaceAll('/', '.');
  refuse(path, path.endsWith('.action') ? actions.join(', ') : error.message.replace(/^Expected /, ''));
  return [];
}

/** The reference's expressions may begin with flags, as in `(?i)busy`. */
function patternOf(source: string): RegExp | undefined {
  const [, flags = '', bare = source] = /^\(\?([ims]+)\)([^]*)$/.exec(source) ?? [];
  try {
    return new RegExp(bare, [...new Set(flags)].join(''));
  } catch {
    return undefined;
  }
}

/** What the walk over the credentials does after an error. */
export interface Ruling {
  readonly stop: boolean;
  readonly cools: boolean;
  /** The error with the scope that the ruling gives it, for whoever is to rest. */
  readonly error: GatewayError;
}

/**
 * What the rules of an account say of an error. The first that matches decides; without one the request's own faults
 * stop the walk and cost nothing, and everything else goes on and costs what its scope says.
 */
export function ruling(account: Account, error: GatewayError): Ruling {
  const action = actionFor(account.failureRules ?? [], error);
  if (action === undefined)
    return { stop: error.scope === 'request', cools: error.scope !== 'request', error };
  const cools = action.endsWith('-and-cooldown');
  const scope: Scope = cools && error.scope === 'request' ? 'model' : error.scope;
  return { stop: action.startsWith('stop'), cools, error: error.with({ scope }) };
}

function actionFor(rules: readonly FailureRule[], error: GatewayError): Action | undefined {
  const status = error.upstream?.status ?? 0;
  if (!rules.some((rule) => rule.status === status)) return undefined;
  // What comes inside a stream has no body of its own; its words stand for it.
  const text = error.body ?? [error.upstream?.type, error.upstream?.code, error.message].join(' ');
  return rules.find(
    (rule) =>
      rule.status === status &&
      (rule.texts.some((part) => text.includes(part)) || rule.patterns.some((pattern) => pattern.test(text))),
  )?.action;
}
