/** How many tests ended how. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const noTests: Counts = { passed: 0, failed: 0, skipped: 0 };

/** A step that has no tests of its own, such as the type check, counts only when it fails. */
export const oneFailure: Counts = { passed: 0, failed: 1, skipped: 0 };

/** What the report of `bun test --reporter=junit` adds up to; undefined when the text is none. */
export function readReport(xml: string): Counts | undefined {
  const head = /<testsuites\b[^>]*>/.exec(xml)?.[0];
  if (head === undefined) return undefined;
  const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = count('failures');
  const skipped = count('skipped');
  return { passed: count('tests') - failed - skipped, failed, skipped };
}

/**
 * What one run of `bun test` counts for. A file that does not load fails the run and is missing in its report, so a
 * failed run counts one failure at least.
 */
export function countsOf(ok: boolean, report: Counts | undefined): Counts {
  if (ok) return report ?? noTests;
  if (report === undefined) return oneFailure;
  return report.failed > 0 ? report : { ...report, failed: 1 };
}

export function sum(all: readonly Counts[]): Counts {
  return all.reduce(
    (left, right) => ({
      passed: left.passed + right.passed,
      failed: left.failed + right.failed,
      skipped: left.skipped + right.skipped,
    }),
    noTests,
  );
}

/** The closing line, such as `812 passed, 0 failed`. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
