import type { LineCounter } from 'yaml';
import type { Place } from './decode.ts';
import { type ConfigFault, excerptOf, faultWithout, type Notice } from './fault.ts';

/** Collects what there is to say about one text, and knows where everything stands in it. */
export interface Report {
  readonly file: string;
  readonly faults: ConfigFault[];
  readonly notices: Notice[];
  /** Where the value of each key path begins. */
  readonly offsets: Map<string, number>;
  /** The variable that set a key path, whatever the text says there. */
  readonly overridden: Map<string, string>;
  placeOf(offset: number): { line: number; column: number };
  faultAtOffset(offset: number, path: string, message: string, expected: string): ConfigFault;
  faultAtPath(path: string, message: string, expected: string): ConfigFault;
  noticeAtPath(path: string, message: string): Notice;
  warn(at: Place, message: string): void;
}

export function reportOn(text: string, lines: LineCounter, file: string): Report {
  const notices: Notice[] = [];
  const offsets = new Map<string, number>();
  const overridden = new Map<string, string>();
  const placeOf = (offset: number) => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const faultAtOffset = (offset: number, path: string, message: string, expected: string): ConfigFault => {
    const { line, column } = placeOf(offset);
    return { file, line, column, path, message, expected, excerpt: excerptOf(text, line, column) };
  };
  /** Where a path was set, or its nearest parent: the place in the text, or the variable. */
  const originOf = (path: string): number | string | undefined => {
    for (let at = path; at !== ''; at = at.replace(lastStep, '')) {
      const origin = overridden.get(at) ?? offsets.get(at);
      if (origin !== undefined) return origin;
    }
    return undefined;
  };
  return {
    file,
    faults: [],
    notices,
    offsets,
    overridden,
    placeOf,
    faultAtOffset,
    faultAtPath(path, message, expected) {
      const origin = originOf(path);
      if (origin === undefined) return faultWithout(file, path, message, expected);
      if (typeof origin === 'string') return faultWithout('environment', origin, message, expected);
      return faultAtOffset(origin, path, message, expected);
    },
    noticeAtPath(path, message) {
      const origin = originOf(path);
      if (typeof origin === 'string')
        return { kind: 'warning', file: 'environment', line: 0, path: origin, message };
      const line = origin === undefined ? 0 : placeOf(origin).line;
      return { kind: 'warning', file, line, path, message };
    },
    warn(at, message) {
      notices.push({ kind: 'warning', file, line: placeOf(at.offset).line, path: at.path, message });
    },
  };
}

/** The last key or index of a path. */
const lastStep = /(^|\.)[^.[\]]*$|\[[^[\]]*\]$/;
