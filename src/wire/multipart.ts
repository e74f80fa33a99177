import { GatewayError } from '../core/error.ts';
import { type Machine, machine, type Tell, type Teller } from '../core/machine.ts';

/** A text field of a form, and where its value stands in the form's bytes: from `start` up to, but not including, `end`. */
export interface FormField {
  readonly name: string;
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

/**
 * The boundary between the parts of a form, as its content type names it.
 * @throws GatewayError `invalid-request` when it names none, because then nobody could read the form.
 */
export function boundaryOf(contentType: string | null): string {
  const boundary = parameter(contentType ?? '', 'boundary');
  if (boundary) return boundary;
  throw new GatewayError({ kind: 'invalid-request' }, 'The Content-Type of the form names no boundary.', {
    remedy: 'Let the HTTP library set Content-Type by itself, as curl -F and every FormData do.',
  });
}

/** A value longer than this is no name, number or flag; the field is passed over. */
const valueLimit = 1024;
const headLimit = 16 * 1024;
const [carriageReturn, lineFeed, dash, space, tab] = [13, 10, 45, 32, 9] as const;

/**
 * Reads the short text fields of these names out of a form while its bytes go by (RFC 7578): each is said as soon as
 * its part is over. Files and other fields cost no memory. A form that is cut short, or that ends twice, is no error
 * here: whoever it was meant for will say so in its own words.
 */
export const formFields = (boundary: string, names: ReadonlySet<string>): Machine<Uint8Array, FormField> =>
  machine((tell) => readFields(boundary, names, tell));

function readFields(boundary: string, names: ReadonlySet<string>, tell: Tell<FormField>): Teller<Uint8Array> {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  // A form may begin with its first delimiter; as if a line had ended before it, all delimiters look alike.
  let data = Buffer.from('\r\n');
  /** Where `data` begins in the form. */
  let base = -2;
  let inHead = false;
  let over = false;
  /** The wanted field whose value is being read; what came of it before `data` is in `pieces`. */
  let field: { readonly name: string; readonly start: number } | undefined;
  let pieces: Buffer[] = [];
  let length = 0;

  function forget(count: number): void {
    data = data.subarray(count);
    base += count;
  }

  /** Passes over content, keeping it where it is wanted. */
  function take(count: number): void {
    if (field) {
      length += count;
      if (length <= valueLimit) pieces.push(Buffer.from(data.subarray(0, count)));
    }
    forget(count);
  }

  function close(): void {
    if (field && length <= valueLimit) {
      const value = Buffer.concat(pieces).toString('utf8');
      tell({ ...field, value, end: field.start + length });
    }
    field = undefined;
    pieces = [];
    length = 0;
  }

  /** Reads on in a part's content, or before the first part; false when it takes more bytes to go on. */
  function onContent(): boolean {
    const at = data.indexOf(delimiter);
    if (at < 0) {
      take(Math.max(0, data.length - delimiter.length + 1));
      return false;
    }
    take(at);
    const after = afterDelimiter(data, delimiter.length);
    if (after === undefined) return false;
    if (after === 'content') {
      take(delimiter.length);
      return true;
    }
    close();
    forget(after.length);
    inHead = true;
    over = after.last;
    return !over;
  }

  /** Reads the headers of a part; they begin with the line end of the delimiter. */
  function onHead(): boolean {
    const end = data.indexOf('\r\n\r\n');
    if (end > headLimit || (end < 0 && data.length > headLimit))
      throw new GatewayError(
        { kind: 'invalid-request' },
        'A part of the form has headers of more than 16 KiB.',
        {
          remedy: 'Check what writes the form: a blank line must end the headers of each part.',
        },
      );
    if (end < 0) return false;
    const name = fieldName(data.toString('utf8', 0, end));
    forget(end + 4);
    if (name !== undefined && names.has(name)) field = { name, start: base };
    inHead = false;
    return true;
  }

  return {
    push(bytes) {
      if (over) return;
      data = Buffer.concat([data, bytes]);
      for (let more = true; more;) more = inHead ? onHead() : onContent();
    },
    end() {},
  };
}

/**
 * What stands behind a delimiter: the end of its line (left for the headers to begin with), the two dashes that end the
 * form, or something that makes it content after all. Undefined while the bytes do not tell.
 */
function afterDelimiter(
  data: Buffer,
  from: number,
): { readonly length: number; readonly last: boolean } | 'content' | undefined {
  let at = from;
  while (data[at] === space || data[at] === tab) at++;
  if (at - from > headLimit) return 'content';
  const [first, second] = [data[at], data[at + 1]];
  if (first === undefined) return undefined;
  const dashes = first === dash && at === from;
  if (first !== carriageReturn && !dashes) return 'content';
  if (second === undefined) return undefined;
  if (dashes) return second === dash ? { length: at + 2, last: true } : 'content';
  return second === lineFeed ? { length: at, last: false } : 'content';
}

/** The name of a part that is a text field; undefined for a file and for what is no field. */
function fieldName(head: string): string | undefined {
  const disposition = /\r\ncontent-disposition[ \t]*:([^\r]*)/i.exec(head)?.[1];
  if (disposition === undefined || /;\s*filename\*?\s*=/i.test(disposition)) return undefined;
  return parameter(disposition, 'name');
}

/** One parameter of a header's value, such as `boundary`, without its quotes. */
function parameter(value: string, name: string): string | undefined {
  for (const [, key, text, quoted] of value.matchAll(parameters))
    if (key!.toLowerCase() === name) return quoted?.replaceAll(/\\(.)/g, '$1') ?? text;
  return undefined;
}

const parameters = /;\s*([^\s=;"]+)\s*=\s*("((?:\\.|[^"\\])*)"|[^\s;]*)/g;
