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
  placeOf(offset: number): { line: number; column: number };
  faultAtOffset(offset: number, path: string, message: string, expected: string): ConfigFault;
  faultAtPath(path: string, message: string, expected: string): ConfigFault;
  noticeAtPath(path: string, message: string): Notice;
  warn(at: Place, message: string): void;
}

export function reportOn(text: string, lines: LineCounter, file: string): Report {
  const notices: Notice[] = [];
  const offsets = new Map<string, number>();
  const placeOf = (offset: number) => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const faultAtOffset = (offset: number, path: string, message: string, expected: string): ConfigFault => {
    const { line, column } = placeOf(offset);
    return { file, line, column, path, message, expected, excerpt: excerptOf(text, line, column) };
  };
  /** The offset of a path, or of the nearest parent that is in the text. */
  const offsetOf = (path: string): number | undefined => {
    for (let at = path; at !== ''; at = at.replace(/(^|\.)[^.[\]]*$|\[[^[\]]*\]$/, '')) {
      const offset = offsets.get(at);
      if (offset !== undefined) return offset;
    }
    return undefined;
  };
  return {
    file,
    faults: [],
    notices,
    offsets,
    placeOf,
    faultAtOffset,
    faultAtPath(path, message, expected) {
      const offset = offsetOf(path);
      if (offset === undefined) return faultWithout(file, path, message, expected);
      return faultAtOffset(offset, path, message, expected);
    },
    noticeAtPath(path, message) {
      const offset = offsetOf(path);
      return { kind: 'warning', file, line: offset === undefined ? 0 : placeOf(offset).line, path, message };
    },
    warn(at, message) {
      notices.push({ kind: 'warning', file, line: placeOf(at.offset).line, path: at.path, message });
    },
  };
}
