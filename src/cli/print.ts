import { plain } from '../telemetry/redact.ts';

/** The lines of a text without what could move the cursor: some of it was said by providers. */
export const readable = (text: string): string => text.split('\n').map(plain).join('\n');

/** Prints for a person. A reader that has seen enough, as in `check --explain | head`, is no failure. @returns exit code 0. */
export function print(text: string): number {
  process.stdout.on('error', () => {});
  process.stdout.write(`${readable(text)}\n`);
  return 0;
}

/** Prints for a program. */
export const printJson = (value: unknown): number => print(JSON.stringify(value, null, 2));

/** Rows in columns, the first one as head. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
