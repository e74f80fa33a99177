import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checks } from './check.ts';
import { closingLine, type Counts, countsOf, noTests, oneFailure, readReport, sum } from './run/counts.ts';
import { runStep, type Step } from './run/step.ts';

/**
 * `npm test`: checks, unit tests, build, then the end-to-end tests on the binary just built. Everything runs also
 * after a failure, but the end-to-end tests need the build. The last line sums up all.
 */
const bun = process.execPath;
const counts: Counts[] = [];

for (const check of checks) counts.push(countsOf(await runStep(check), noTests));
counts.push(await runTests('unit tests', ['--path-ignore-patterns', 'test/e2e/**']));
const built = await runStep({ name: 'build', command: [bun, 'scripts/build.ts'] });
counts.push(built ? await runTests('end-to-end tests', ['./test/e2e']) : oneFailure);

const total = sum(counts);
console.log(`\n${closingLine(total)}`);
process.exit(total.failed > 0 ? 1 : 0);

/** One run of `bun test`, counted by its JUnit report. */
async function runTests(name: string, args: readonly string[]): Promise<Counts> {
  const folder = mkdtempSync(join(tmpdir(), 'cliproxyapi-test-'));
  const report = join(folder, 'report.xml');
  // The timeout of bunfig.toml has no effect on a run.
  const command = [
    bun,
    'test',
    '--timeout',
    '30000',
    ...args,
    '--reporter=junit',
    `--reporter-outfile=${report}`,
  ];
  try {
    return countsOf(await runStep({ name, command } satisfies Step), read(report));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function read(report: string): Counts | undefined {
  try {
    return readReport(readFileSync(report, 'utf8'));
  } catch {
    return undefined;
  }
}
