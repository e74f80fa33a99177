import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { cleanUp, clientKey, type Program } from '../support/binary.ts';
import { speakers } from '../support/speakers.ts';
import { serviceAccount, vertexUpstream } from '../support/vertex-upstream.ts';
import { endpointLines, type Home, signedInHome } from './signed-in.ts';

/** Vertex AI by service account on the binary. */

/** Each test starts programs; a busy machine takes its time to do that. */
setDefaultTimeout(60_000);

const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const account = serviceAccount();
const google = vertexUpstream(account);
afterAll(async () => {
  await cleanUp();
  google.stop();
});
afterEach(() => {
  const refused = [...google.api.refused];
  google.api.reset();
  expect(refused).toEqual([]);
});

const config = `oauth-endpoints:\n${endpointLines('vertex', { api: google.api.url, token: google.token })}`;

describe('a service account', () => {
  let home: Home;
  let program: Program;
  beforeAll(async () => {
    home = signedInHome(config);
    const broken = { ...account.key, private_key: account.key.private_key.replaceAll('\n', '\\n') };
    const file = home.write('downloads/key.json', broken);
    for (let time = 0; time < 2; time++) {
      const { code, output } = await home.run(
        'auth',
        'import',
        'vertex',
        file,
        '--set',
        'location=europe-west4',
      );
      expect([code, output]).toEqual([0, expect.stringContaining(account.key.client_email)]);
    }
    program = await home.serve();
  });

  test('is one file, however often it is imported, with a key that works', () => {
    expect(home.files()).toEqual({
      'vertex-sim-project.json': expect.objectContaining({
        type: 'vertex',
        location: 'europe-west4',
        service_account: account.key,
      }),
    });
  });

  test('is shown without its key', async () => {
    const { code, output } = await home.run('auth', 'show', 'vertex-sim-project.json', '--json');
    expect([code, output]).toEqual([0, expect.stringContaining(account.key.client_email)]);
    expect(output).not.toContain(account.key.private_key.slice(40, 80));
  });

  test('answers in every protocol: whole, streamed, with tools and pictures', async () => {
    for (const model of ['gemini-2.5-flash', 'gemini-3-flash-preview'])
      for (const client of speakers(program.url, clientKey)) {
        expect(await client.say(model, 'say hello')).toBe('hello');
        expect((await client.stream(model, 'count to 12')).join('')).toBe('1 2 3 4 5 6 7 8 9 10 11 12');
        expect((await client.loop(model)).text).toBe('The tool said: sunny');
        expect(await client.show(model, png)).toContain('image/png');
      }
    expect(google.api.accepted[0]!.path).toStartWith('/v1/projects/sim-project/locations/europe-west4/');
    expect(google.statements).toHaveLength(1);
  });

  test('draws with Imagen, and makes a new token when the old one is refused', async () => {
    google.revoke();
    const drawn = await fetch(`${program.url}/v1/images/generations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'imagen-4.0-generate-001', prompt: 'A red circle' }),
    });
    const said = await drawn.text();
    expect(said).toContain('b64_json');
    const { data } = JSON.parse(said) as { data: readonly unknown[] };
    expect([drawn.status, data.length]).toEqual([200, 1]);
    expect(google.statements).toHaveLength(2);
  });
});

test('a key that Google does not know says so, with the command to run', async () => {
  const home = signedInHome(config);
  const key = { ...account.key, private_key: serviceAccount().key.private_key };
  const pasted = await home.run('auth', 'login', 'vertex', '--set', `key=${JSON.stringify(key)}`);
  expect(pasted.code).toBe(0);
  expect(pasted.output).not.toContain('PRIVATE KEY');
  const program = await home.serve();
  const refused = await speakers(program.url, clientKey)[0]!.say('gemini-2.5-flash', 'hi').catch(String);
  expect(refused).toContain('auth login vertex');
  expect(program.output()).not.toContain('PRIVATE KEY');
});
