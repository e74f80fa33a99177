import { hideSecrets } from './secrets.ts';

/** One thing that is wrong with a configuration, and where. */
export interface ConfigFault {
  /** The file, or `environment` for a variable. */
  readonly file: string;
  /** Counted from 1; 0 when the fault has no place in a text. */
  readonly line: number;
  readonly column: number;
  /** The key path, such as `openai-compatibility[0].base-url`, or the variable's name; '' for the whole file. */
  readonly path: string;
  /** What is wrong; never holds a secret. */
  readonly message: string;
  /** What would be right, to be read after "expected"; '' when the message says it all. */
  readonly expected: string;
  /** The lines around it with a caret below the place, secrets hidden; '' without a place. */
  readonly excerpt: string;
}

/** Something worth telling that stops nothing. */
export interface Notice {
  /** `without-effect`: a known key that this program accepts and does not act upon. */
  readonly kind: 'warning' | 'without-effect';
  readonly file: string;
  readonly line: number;
  readonly path: string;
  readonly message: string;
}

/** A configuration that cannot be used, with every fault found in it. Its message is made to be printed whole. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  /** What else was found: an unknown key is often the reason of a fault. */
  readonly notices: readonly Notice[];

  constructor(
    readonly faults: readonly ConfigFault[],
    notices: readonly Notice[] = [],
    /** How a start ends with it (sysexits.h): 78 wrong configuration, 77 a file that may not be read. */
    readonly exitCode: 77 | 78 = 78,
  ) {
    const ordered = byLine(notices);
    const warnings = ordered.filter(({ kind }) => kind === 'warning').map(printWarning);
    super([...faults.map(printFault), ...(warnings.length > 0 ? [warnings.join('\n')] : [])].join('\n\n'));
    this.notices = ordered;
  }
}

/** In the order of the file. */
export const byLine = (notices: readonly Notice[]): Notice[] => notices.toSorted((a, b) => a.line - b.line);

/** `config.yaml:12:9`, or the file alone when there is no place in a text. */
export const placeOf = ({ file, line, column }: ConfigFault): string =>
  line > 0 ? `${file}:${line}:${column}` : file;

/** What is wrong and what would be right, without the place. */
export function sentenceOf({ message, expected }: ConfigFault): string {
  const sentence = expected === '' ? message : `${message}; expected ${expected}`;
  return sentence.endsWith('?') ? sentence : `${sentence}.`;
}

/** A fault on one line: the place, the key path, what is wrong and what would be right. */
export const faultLine = (fault: ConfigFault): string =>
  [placeOf(fault), fault.path, sentenceOf(fault)].filter((part) => part !== '').join(': ');

/** A fault as a person reads it: its line, and below it the lines of the file with a caret. */
export function printFault(fault: ConfigFault): string {
  return fault.excerpt === '' ? faultLine(fault) : `${faultLine(fault)}\n${fault.excerpt}`;
}

/** A notice on one line. */
export function printNotice({ file, line, path, message }: Notice): string {
  return [line > 0 ? `${file}:${line}` : file, path, message].filter((part) => part !== '').join(': ');
}

/** A notice as it is printed among other lines. */
export const printWarning = (notice: Notice): string => `warning: ${printNotice(notice)}`;

const linesBefore = 2;
const widest = 160;

/** The line of a fault with up to two lines before it, numbered, and a caret under the column. */
export function excerptOf(text: string, line: number, column: number): string {
  const lines = hideSecrets(text.split(/\r\n|\r|\n/).slice(0, line));
  const width = String(line).length;
  const shown = lines.slice(-(linesBefore + 1)).map((content, index, all) => {
    const number = String(line - all.length + 1 + index).padStart(width);
    return `  ${number} | ${visible(content).slice(0, widest)}`.trimEnd();
  });
  if (column > widest) return shown.join('\n');
  return [...shown, `  ${' '.repeat(width)} | ${' '.repeat(column - 1)}^`].join('\n');
}

/** Control characters would move the caret or the cursor; a tab becomes one arrow. */
const visible = (content: string) => content.replaceAll('\t', '→').replaceAll(/[\p{Cc}\u2028\u2029]/gu, '·');

/** A key path in words: `routing.strategy`, `api-keys[0]`, `headers["X Y"]`. */
export function pathOf(parent: string, key: string | number): string {
  if (typeof key === 'number') return `${parent}[${key}]`;
  if (!/^[\w$-]+$/.test(key)) return `${parent}[${JSON.stringify(key)}]`;
  return parent === '' ? key : `${parent}.${key}`;
}

/** A fault without a place in a text, such as a variable or a whole file. */
export function faultWithout(file: string, path: string, message: string, expected = ''): ConfigFault {
  return { file, line: 0, column: 0, path, message, expected, excerpt: '' };
}
