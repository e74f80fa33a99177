/** The first of some patterns that a name fits, in any case; `*` stands for any run of characters. Patterns are in lower case. */
export function matcher(patterns: readonly string[]): (name: string) => string | undefined {
  const expressions = patterns.map((pattern) => ({ pattern, expression: expressionOf(pattern) }));
  return (name) => {
    const lower = name.toLowerCase();
    return expressions.find(({ expression }) => expression.test(lower))?.pattern;
  };
}

function expressionOf(pattern: string): RegExp {
  const pieces = pattern.split(/\*+/).map((text) => RegExp.escape(text));
  return new RegExp(`^${pieces.join('.*')}$`, 's');
}
