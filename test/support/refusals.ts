/**
 * What vendors really answer, one row for each: status, headers, body, and what it must be read as. A refusal that is
 * blamed on the wrong one benches a good credential, or sends every client to a bad one.
 */
export interface Row {
  readonly says: string;
  readonly protocol: string;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly code: string;
  readonly scope: string;
  readonly shown: number;
  readonly retryAfterMs?: number;
  /** Another model may serve it. */
  readonly otherModel?: boolean;
}

export const chat = (error: object) => ({ protocol: 'openai-chat', body: { error } });
export const messages = (type: string, message: string) => ({
  protocol: 'anthropic-messages',
  body: { type: 'error', error: { type, message }, request_id: 'req_011' },
});
export const google = (code: number, status: string, message: string, details: readonly object[] = []) => ({
  protocol: 'gemini',
  body: { error: { code, message, status, details } },
});
export const info = (reason: string, metadata: object = {}) => ({
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason,
  domain: 'googleapis.com',
  metadata,
});
export const retry = (retryDelay: string) => ({
  '@type': 'type.googleapis.com/google.rpc.RetryInfo',
  retryDelay,
});
const page = (protocol: string, title: string, body = '') => ({
  protocol,
  headers: { 'content-type': 'text/html; charset=UTF-8' },
  body: `<!DOCTYPE html><html lang="en-US"><head><title>${title}</title></head><body>${body}</body></html>`,
});

export const forbidden: readonly Row[] = [
  {
    says: 'OpenAI: the project has no access to the model',
    status: 403,
    ...chat({
      message: 'Project `proj_x` does not have access to model `gpt-5-pro`',
      type: 'invalid_request_error',
      param: null,
      code: 'model_not_found',
    }),
    code: 'upstream_not_entitled',
    scope: 'model',
    shown: 403,
  },
  {
    says: 'Anthropic: the key may not use the resource',
    status: 403,
    ...messages('permission_error', 'Your API key does not have permission to use the specified resource.'),
    code: 'upstream_not_entitled',
    scope: 'model',
    shown: 403,
  },
  {
    says: 'Google: the API is not enabled in the project',
    status: 403,
    ...google(403, 'PERMISSION_DENIED', 'Generative Language API has not been used in project 1 before.', [
      info('SERVICE_DISABLED'),
    ]),
    code: 'upstream_not_entitled',
    scope: 'model',
    shown: 403,
  },
  {
    says: 'OpenAI: the organization must be verified',
    status: 400,
    ...chat({
      message: 'Your organization must be verified to stream this model. Please go to the settings.',
      type: 'invalid_request_error',
      param: 'stream',
      code: 'unsupported_value',
    }),
    code: 'upstream_verification_required',
    scope: 'credential',
    shown: 403,
  },
  {
    says: 'Groq: the terms of the model are to be accepted',
    status: 400,
    ...chat({
      message: 'The model `x` requires terms acceptance. Please have the org admin accept the terms.',
      type: 'invalid_request_error',
      code: 'model_terms_required',
    }),
    code: 'upstream_verification_required',
    scope: 'credential',
    shown: 403,
  },
  {
    says: 'Google: the account is to be verified',
    status: 403,
    ...google(403, 'PERMISSION_DENIED', 'To continue, verify your account at https://accounts.google.com/x', [
      info('VALIDATION_REQUIRED'),
    ]),
    code: 'upstream_verification_required',
    scope: 'credential',
    shown: 403,
  },
  {
    says: 'Anthropic: the organization is disabled, as 400',
    status: 400,
    ...messages('invalid_request_error', 'This organization has been disabled.'),
    code: 'upstream_suspended',
    scope: 'credential',
    shown: 403,
  },
  {
    says: 'OpenAI: the account is deactivated, as 401',
    status: 401,
    ...chat({
      message: 'The OpenAI account associated with this API key has been deactivated.',
      type: 'invalid_request_error',
      code: 'account_deactivated',
    }),
    code: 'upstream_suspended',
    scope: 'credential',
    shown: 403,
  },
  {
    says: 'Google: the consumer is suspended',
    status: 403,
    ...google(403, 'PERMISSION_DENIED', "Permission denied: Consumer 'api_key:x' has been suspended.", [
      info('CONSUMER_SUSPENDED'),
    ]),
    code: 'upstream_suspended',
    scope: 'credential',
    shown: 403,
  },
  {
    says: 'Kimi: access is terminated',
    status: 403,
    ...chat({ message: 'Your access was ended.', type: 'access_terminated_error' }),
    code: 'upstream_suspended',
    scope: 'credential',
    shown: 403,
  },
  {
    says: 'OpenAI: the country is not supported',
    status: 403,
    ...chat({
      code: 'unsupported_country_region_territory',
      message: 'Country, region, or territory not supported',
      param: null,
      type: 'request_forbidden',
    }),
    code: 'upstream_region',
    scope: 'transport',
    shown: 403,
  },
  {
    says: 'Anthropic: the country is not supported, in its two words',
    status: 403,
    ...messages('forbidden', 'Request not allowed'),
    code: 'upstream_region',
    scope: 'transport',
    shown: 403,
  },
  {
    says: 'Google: the country is not supported, as 400',
    status: 400,
    ...google(400, 'FAILED_PRECONDITION', 'User location is not supported for the API use.'),
    code: 'upstream_region',
    scope: 'transport',
    shown: 403,
  },
  {
    says: 'a server that may not answer for legal reasons',
    status: 451,
    protocol: 'openai-chat',
    body: 'Unavailable',
    code: 'upstream_region',
    scope: 'transport',
    shown: 403,
  },
  {
    says: 'DeepSeek: the balance is used up',
    status: 402,
    ...chat({ message: 'Insufficient Balance', type: 'unknown_error', code: 'invalid_request_error' }),
    code: 'upstream_billing',
    scope: 'credential',
    shown: 402,
  },
  {
    says: 'Anthropic: the balance is too low, as 400',
    status: 400,
    ...messages(
      'invalid_request_error',
      'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.',
    ),
    code: 'upstream_billing',
    scope: 'credential',
    shown: 402,
  },
  {
    says: 'Google: billing is off',
    status: 403,
    ...google(403, 'PERMISSION_DENIED', 'This API method requires billing to be enabled.', [
      info('BILLING_DISABLED'),
    ]),
    code: 'upstream_billing',
    scope: 'credential',
    shown: 403,
  },
  {
    says: 'xAI: the team has no credits',
    status: 403,
    protocol: 'openai-responses',
    body: {
      code: 'The caller does not have permission to execute the specified operation',
      error: "Your newly created team doesn't have any credits or licenses yet.",
    },
    code: 'upstream_billing',
    scope: 'credential',
    shown: 403,
  },
  {
    says: 'a 403 without a word',
    status: 403,
    protocol: 'openai-chat',
    body: '',
    code: 'upstream_forbidden',
    scope: 'credential',
    shown: 403,
  },
  {
    says: 'a token that is over, as 403',
    status: 403,
    ...chat({ message: 'The security token included in the request is expired' }),
    code: 'upstream_auth',
    scope: 'credential',
    shown: 502,
  },
  {
    says: 'xAI: a bad key, as 403',
    status: 403,
    protocol: 'openai-responses',
    body: { code: 'unauthenticated:bad-credentials', error: 'Bad credentials' },
    code: 'upstream_auth',
    scope: 'credential',
    shown: 502,
  },
];

export const pages: readonly Row[] = [
  {
    says: 'a Cloudflare challenge',
    status: 403,
    ...page(
      'openai-responses',
      'Just a moment...',
      '<script src="/cdn-cgi/challenge-platform/x.js"></script>',
    ),
    code: 'upstream_challenge',
    scope: 'transport',
    shown: 403,
  },
  {
    says: 'a Cloudflare challenge that comes as 503',
    status: 503,
    ...page('openai-chat', 'Just a moment...', 'Enable JavaScript and cookies to continue'),
    code: 'upstream_challenge',
    scope: 'transport',
    shown: 403,
  },
  {
    says: 'a challenge that only a header names',
    status: 403,
    ...page('openai-chat', 'api.example.com'),
    headers: { 'content-type': 'text/html', 'cf-mitigated': 'challenge' },
    code: 'upstream_challenge',
    scope: 'transport',
    shown: 403,
  },
  {
    says: "a web server's page for a wrong address",
    status: 404,
    ...page('anthropic-messages', '404 Not Found', '<center><h1>404 Not Found</h1></center>'),
    code: 'upstream_error',
    scope: 'provider',
    shown: 502,
  },
  {
    says: "a web server's page for a wrong port",
    status: 400,
    ...page('gemini', '400 The plain HTTP request was sent to HTTPS port'),
    code: 'upstream_error',
    scope: 'provider',
    shown: 502,
  },
  {
    says: "Cloudflare's page for a host that is down",
    status: 521,
    ...page('openai-chat', 'example.com | 521: Web server is down'),
    code: 'upstream_error',
    scope: 'provider',
    shown: 502,
  },
];
