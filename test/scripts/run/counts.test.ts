import { describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closingLine, countsOf, noTests, oneFailure, readReport, sum } from '../../../scripts/run/counts.ts';

describe('the closing line of npm test', () => {
  test('adds up every run and names skipped tests only when there are some', () => {
    const total = sum([{ passed: 3, failed: 0, skipped: 0 }, noTests, { passed: 4, failed: 1, skipped: 0 }]);
    expect(closingLine(total)).toBe('7 passed, 1 failed');
    expect(closingLine({ ...total, skipped: 2 })).toBe('7 passed, 1 failed, 2 skipped');
  });

  test('counts a failed step without tests of its own as one failure', () => {
    expect(countsOf(false, undefined)).toEqual(oneFailure);
    expect(countsOf(false, noTests)).toEqual(oneFailure);
  });

  test('never calls a run that failed a success, whatever its report says', () => {
    expect(countsOf(false, { passed: 9, failed: 0, skipped: 0 })).toEqual({
      passed: 9,
      failed: 1,
      skipped: 0,
    });
  });

  test('does not take a text for a report that is none', () => {
    expect(readReport('')).toBeUndefined();
    expect(readReport('<testsuite tests="4" />')).toBeUndefined();
  });

  test('reads what bun test writes about passed, failed, skipped and planned tests', () => {
    const folder = mkdtempSync(join(tmpdir(), 'counts-'));
    try {
      const cases = `test('a', () => {}); test('b', () => { expect(1).toBe(2) }); test.skip('c', () => {}); test.todo('d');`;
      writeFileSync(join(folder, 'sample.test.ts'), `import { expect, test } from 'bun:test';\n${cases}\n`);
      const report = join(folder, 'report.xml');
      const args = ['test', '--reporter=junit', `--reporter-outfile=${report}`];
      const { exitCode } = Bun.spawnSync([process.execPath, ...args], { cwd: folder });
      expect(exitCode).toBe(1);
      expect(readReport(readFileSync(report, 'utf8'))).toEqual({ passed: 1, failed: 1, skipped: 2 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
