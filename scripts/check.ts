import { runStep, type Step, tool } from './run/step.ts';

/** `npm run check`: strict types, lint, format. All run, also when one fails. */
export const checks: readonly Step[] = [
  tool('tsc', '--noEmit'),
  tool('oxlint', '--deny-warnings'),
  tool('prettier', '--check', '--cache', '--cache-location=.cache/prettier', '.'),
];

if (import.meta.main) {
  let ok = true;
  for (const check of checks) ok = (await runStep(check)) && ok;
  process.exit(ok ? 0 : 1);
}
