import { generateKeyPairSync } from 'node:crypto';
import { jwtVerify } from 'jose';
import type { Json } from '../../src/core/json.ts';
import { geminiVendor, googleJson, googleRefusal } from './gemini-upstream.ts';
import { type Refusal, simulator, type Simulator, type Vendor } from './simulator.ts';
import type { Received } from './wire-server.ts';

/**
 * Vertex AI on loopback with Google's token endpoint for service accounts: statements are checked with the account's
 * public key, tokens are checked at the API, and so is the path of project and location.
 */
export interface Vertex {
  readonly api: Simulator;
  /** The token endpoint, `token` of the channel's endpoints. */
  readonly token: string;
  /** What the token endpoint was sent, as the parts of each statement. */
  readonly statements: Json[];
  /** Answers that the token endpoint gives instead of its own, used up in order. */
  readonly nextToken: Response[];
  /** Forgets the tokens it gave. */
  revoke(): void;
  stop(): void;
}

/** A service account with its own key, and the JSON key that Google Cloud gives out for it. */
export function serviceAccount(project = 'sim-project') {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = {
    type: 'service_account',
    project_id: project,
    private_key_id: 'key-1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    client_email: `gateway@${project}.iam.gserviceaccount.com`,
    client_id: '117',
    token_uri: 'https://oauth2.googleapis.com/token',
  };
  return { key, publicKey, privateKey };
}

export function vertexUpstream({ key, publicKey }: ReturnType<typeof serviceAccount>): Vertex {
  const tokens = new Set<string>();
  const statements: Json[] = [];
  const nextToken: Response[] = [];
  const api = simulator(vendorOf(tokens, key.project_id));

  async function grant(request: Request): Promise<Response> {
    const prepared = nextToken.shift();
    if (prepared) return prepared;
    const form = new URLSearchParams(await request.text());
    if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer')
      return Response.json({ error: 'unsupported_grant_type' }, { status: 400 });
    try {
      const { payload, protectedHeader } = await jwtVerify(form.get('assertion') ?? '', publicKey, {
        audience: token,
        issuer: key.client_email,
        algorithms: ['RS256'],
        maxTokenAge: '1h',
        requiredClaims: ['exp', 'iat', 'scope'],
      });
      statements.push({ ...payload, ...protectedHeader });
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      return Response.json(
        { error: 'invalid_grant', error_description: `Invalid JWT: ${why}` },
        { status: 400 },
      );
    }
    const accessToken = `ya29.${crypto.randomUUID()}`;
    tokens.add(accessToken);
    return Response.json({ access_token: accessToken, expires_in: 3599, token_type: 'Bearer' });
  }

  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: grant });
  const token = `http://127.0.0.1:${server.port}/token`;
  return {
    api,
    token,
    statements,
    nextToken,
    revoke: () => tokens.clear(),
    stop() {
      api.stop();
      void server.stop(true);
    },
  };
}

const prefix = /^\/v1\/projects\/([^/]+)\/locations\/([^/]+)(\/publishers\/google\/models\/.+)$/;

function vendorOf(tokens: ReadonlySet<string>, project: string): Vendor {
  const inner = geminiVendor();
  /** The request as if it had come to the express mode. */
  const shortened = (received: Received): Received => {
    const path = `/v1${prefix.exec(received.path)?.[3] ?? received.path}`;
    const [, query] = received.url.split('?');
    return { ...received, path, url: query === undefined ? path : `${path}?${query}` };
  };
  return {
    ...inner,
    authorize(received) {
      const bearer = received.headers.get('authorization')?.replace(/^Bearer /, '') ?? '';
      if (received.headers.get('x-goog-api-key') !== null)
        return googleRefusal(401, 'API keys are not supported by this API.');
      return tokens.has(bearer)
        ? undefined
        : googleRefusal(401, 'Request had invalid authentication credentials.');
    },
    other(received) {
      const found = prefix.exec(received.path);
      if (found?.[1] !== project)
        return googleRefusal(403, `Permission 'aiplatform.endpoints.predict' denied.`);
      if (found[3]!.endsWith(':predict')) return drawn(received);
      return inner.other(shortened(received));
    },
    check(received) {
      // The only place of Google's that knows no ids on calls.
      if (/"(functionCall|functionResponse)":\{"id":/.test(received.body))
        return googleRefusal(400, 'Invalid JSON payload received. Unknown name "id".');
      return inner.check(shortened(received));
    },
    streams: (received) => inner.streams!(shortened(received)),
    asked: (received) => inner.asked(shortened(received)),
    stream: (turn, received) => inner.stream(turn, shortened(received)),
    whole: (turn, received) => inner.whole(turn, shortened(received)),
  };
}

function drawn({ json: body }: Received): Refusal {
  const [instance] = body.instances as readonly Json[];
  if (typeof instance?.prompt !== 'string') return googleRefusal(400, 'Text prompt is required.');
  const count = Number((body.parameters as Json | undefined)?.sampleCount ?? 1);
  const prediction = { mimeType: 'image/png', bytesBase64Encoded: 'aW1hZ2U=' };
  return googleJson(200, { predictions: Array.from({ length: count }, () => prediction) });
}
