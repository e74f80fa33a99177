import type { Document, YAMLError } from 'yaml';
import type { ConfigFault } from './fault.ts';

type FaultAt = (offset: number, path: string, message: string, expected: string) => ConfigFault;

/** At most this many syntax faults are told: one slip often upsets the lines after it as well. */
const most = 5;

/** What is wrong with the text as YAML: one fault a line. The path is '' but for repeated keys. */
export function syntaxFaults(documents: readonly Document[], text: string, faultAt: FaultAt): ConfigFault[] {
  const faults = documents.flatMap((document) =>
    document.errors.map((error) => faultOf(error, text, faultAt)),
  );
  const second = documents.slice(1).find((document) => document.contents !== null && !isBlank(document));
  if (second) {
    faults.push(
      faultAt(
        second.range?.[0] ?? 0,
        '',
        'a second YAML document begins here',
        'one document; remove the "---" line',
      ),
    );
  }
  const [root] = documents;
  if (faults.length === 0 && root && !isBlank(root) && !('items' in (root.contents ?? {})))
    faults.push(faultAt(root.contents?.range?.[0] ?? 0, '', 'found plain text', '"key: value" lines'));
  const lines = new Set<number>();
  return faults.filter(({ line }) => !lines.has(line) && lines.add(line)).slice(0, most);
}

/** A document with nothing in it, such as what follows a last `---`. */
const isBlank = ({ contents }: Document) => (contents as { value?: unknown } | null)?.value === null;

function faultOf(error: YAMLError, text: string, faultAt: FaultAt): ConfigFault {
  const [offset] = error.pos;
  if (error.code === 'DUPLICATE_KEY') {
    const key = /^["']?([^"'\s:]+)/.exec(text.slice(offset))?.[1] ?? '';
    return faultAt(offset, key, 'this key is set a second time', 'every key once');
  }
  const [message, expected] = explain(error, text.slice(offset));
  return faultAt(offset, '', message, expected);
}

/** The parser's words, put for somebody who edits a config and never read the YAML specification. */
function explain(error: YAMLError, rest: string): readonly [message: string, expected: string] {
  const words = error.message.replaceAll('\n', ' ');
  if (error.code === 'TAB_AS_INDENT') return ['a tab is used for indentation', 'spaces'];
  if (error.code === 'BAD_SCALAR_START')
    return [`a value may not begin with ${rest[0]}`, 'quotes around the value'];
  if (error.code === 'BLOCK_AS_IMPLICIT_KEY' && /^[^\n]*:\s/.test(rest))
    return [
      'a second ": " on one line',
      'quotes around a value with a colon in it, and each key on its own line',
    ];
  if (error.code === 'BLOCK_AS_IMPLICIT_KEY')
    return [
      'this key has a value, and a deeper key follows it',
      'keys that belong together in the same column',
    ];
  if (error.code === 'MULTILINE_IMPLICIT_KEY')
    return ['a key must stand on one line', '"key: value"; look for a missing colon'];
  if (/must start at the same column/.test(words))
    return ['the indentation does not fit the lines above', 'keys that belong together in the same column'];
  if (/flow (sequence|mapping|collection)|flow sequence items|flow map/i.test(words)) {
    const variable = rest.startsWith('{') || rest.startsWith('${');
    return [
      lower(words),
      variable ? 'quotes around "${NAME}" inside brackets' : 'a closing bracket and commas between items',
    ];
  }
  if (/closing ["']quote/.test(words)) return ['a quote is opened and not closed', 'a closing quote'];
  return [lower(words), 'valid YAML'];
}

const lower = (words: string) => words.slice(0, 1).toLowerCase() + words.slice(1);
