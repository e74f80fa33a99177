import { GatewayError } from '../../core/error.ts';
import type { Json } from '../../core/json.ts';
import type { Picture } from './drawing.ts';
import type { Errand } from '../errand.ts';
import type { Upload } from '../upload.ts';

/** A request for pictures in the words of the JSON endpoint, with the pictures that are to be changed. */
export interface Asked {
  readonly fields: Json;
  readonly pictures: readonly Picture[];
}

/** Forms that had to be read, so that whoever is asked next need not read them again. */
const forms = new WeakMap<Upload, Promise<Asked>>();

/**
 * What is asked for. A form is read as a whole, because it goes to an upstream that takes none.
 * @throws GatewayError `invalid-request` for a form that cannot be read, or that holds no picture.
 */
export function askedOf({ body, exchange, upload, hint }: Errand): Asked | Promise<Asked> {
  if (!upload) return { fields: body, pictures: [] };
  const known = forms.get(upload);
  if (known) return known;
  const { body: sent } = upload.open(hint.model);
  const type = exchange.headers.get('content-type') ?? '';
  const read = new Response(sent, { headers: { 'content-type': type } }).formData().then(
    (form) => decodeForm([...form.entries()] as [string, string | File][]),
    (cause) => {
      throw unreadable(cause);
    },
  );
  forms.set(upload, read);
  return read;
}

const pictureFields: ReadonlySet<string> = new Set(['image', 'image[]']);
/** What a form can only say as text. */
const numbers: ReadonlySet<string> = new Set(['n', 'output_compression', 'partial_images']);

async function decodeForm(entries: readonly [string, string | File][]): Promise<Asked> {
  const fields: Record<string, unknown> = {};
  const pictures: Picture[] = [];
  for (const [name, value] of entries) {
    if (typeof value === 'string') fields[name] = numbers.has(name) ? Number(value) : value;
    else if (pictureFields.has(name)) pictures.push(await pictureOf(value));
    else fields[name] = value.name;
  }
  if (pictures.length > 0) return { fields, pictures };
  throw new GatewayError(
    { kind: 'invalid-request', field: 'image' },
    'The form holds no picture to change.',
    {
      remedy: 'Send at least one file in the field image.',
    },
  );
}

async function pictureOf(file: File): Promise<Picture> {
  const data = Buffer.from(await file.arrayBuffer()).toString('base64');
  return { data, mime: file.type.startsWith('image/') ? file.type : 'image/png' };
}

const unreadable = (cause: unknown) =>
  new GatewayError({ kind: 'invalid-request' }, 'The form cannot be read to its end.', {
    cause,
    remedy: 'Send it again, as multipart/form-data with its boundary in the content-type.',
  });
