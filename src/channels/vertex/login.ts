import { fileNamePart, textField } from '../../accounts/fields.ts';
import { GatewayError } from '../../core/error.ts';
import { type Json, omit, tryParseObject } from '../../core/json.ts';
import type { Ask, Import, Logins, PasteWay } from '../login.ts';
import { checkedAccount, serviceAccountIn, serviceAccountSession } from './service-account.ts';

const defaultLocation = 'us-central1';

/** Where a login's models are: the address of its location, with the path of its project. */
export function rootOf(api: string, fields: Json): string {
  const location = textField(fields, 'location') ?? defaultLocation;
  const host = api.replace('{location}-', location === 'global' ? '' : `${location}-`);
  return `${host}/v1/projects/${encodeURIComponent(projectOf(fields))}/locations/${location}`;
}

const projectOf = (fields: Json): string =>
  textField(fields, 'project_id') ?? textField(serviceAccountIn(fields), 'project_id') ?? '';

/** What is wrong with a location; undefined when nothing is. It becomes part of a host's name. */
const locationFault = (location: string): string | undefined =>
  /^[a-z0-9-]+$/.test(location) ? undefined : 'is no location such as us-central1 or global';

const locationAsk: Ask = {
  name: 'location',
  question: 'Location, such as us-central1 or global',
  fallback: defaultLocation,
  check: locationFault,
};

/** A login file from a JSON key of Google Cloud. */
const fieldsFrom = (account: Json, location: string): Json => {
  const checked = checkedAccount(omit(account, new Set(['location'])));
  return {
    type: logins.types[0],
    service_account: checked,
    project_id: checked.project_id,
    email: checked.client_email,
    location,
  };
};

const isKey = (content: Json): boolean => content.type === 'service_account';

const paste: PasteWay = {
  kind: 'paste',
  id: 'service-account',
  title: 'Service account, by its JSON key',
  asks: [
    {
      name: 'key',
      question: 'The JSON key of the service account',
      secret: true,
      check: (value) =>
        isKey(tryParseObject(value) ?? {}) ? undefined : 'is no JSON key with "type": "service_account"',
    },
    locationAsk,
  ],
  finish: (_, { key, location }) =>
    Promise.resolve().then(() => fieldsFrom(tryParseObject(key ?? '') ?? {}, location || defaultLocation)),
};

const jsonKey: Import = {
  title: 'JSON key of a Google service account',
  paths: ['~/.config/gcloud/application_default_credentials.json'],
  read: (content) =>
    isKey(content) ? fieldsFrom(content, textField(content, 'location') ?? defaultLocation) : undefined,
};

/** Signing in to Vertex AI with a service account. */
export const logins: Omit<Logins, 'open'> = {
  types: ['vertex'],
  endpoints: {
    api: 'https://{location}-aiplatform.googleapis.com',
    token: 'https://oauth2.googleapis.com/token',
  },
  leadMs: 5 * 60 * 1000,
  identify(fields) {
    const fault = locationFault(textField(fields, 'location') ?? defaultLocation);
    if (fault !== undefined)
      throw new GatewayError({ kind: 'invalid-request', field: 'location' }, `Its location ${fault}.`, {
        remedy: 'Correct it in the file.',
      });
    const email = textField(serviceAccountIn(fields), 'client_email');
    const project = projectOf(fields);
    if (email !== undefined && project !== '') return { account: email, workspace: project, label: email };
    const missing = email === undefined ? 'service_account.client_email' : 'project_id';
    throw new GatewayError({ kind: 'invalid-request', field: missing }, `The file does not say ${missing}.`, {
      remedy: 'Import the JSON key again: cliproxyapi++ auth import vertex FILE',
    });
  },
  fileName: (fields) => `vertex-${fileNamePart(projectOf(fields))}.json`,
  // A key does not end; the tokens made with it are sessions.
  expiresAt: () => undefined,
  session: serviceAccountSession,
  ways: [paste],
  imports: [jsonKey],
  manual: {
    title: 'Vertex AI (service account)',
    needs:
      'A service account of a Google Cloud project with the role Vertex AI User, as a JSON key, and the location where ' +
      'its models run (location in the file; us-central1 when it says none, global for no place in particular).',
    serves:
      'Gemini models: chats whole and streamed, token counts, embeddings; Imagen makes pictures. Keys of the express ' +
      'mode go into vertex-api-key instead.',
    limits: 'Calls and their results carry no ids there, so they are matched by their order.',
    terms: "Google Cloud's terms; use is billed to the project.",
  },
};
