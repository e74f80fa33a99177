import type { Fault, ForbiddenReason, GatewayError } from '../core/error.ts';

/** What the reader of an upstream's error can do next. */

/** @param field the part of the request that the upstream names. */
export function remedyOf(fault: Fault, field?: string): string {
  switch (fault.kind) {
    case 'invalid-request':
      return `Correct ${field ?? 'the request'} and send it again.`;
    case 'not-found':
      return fault.what === 'model'
        ? 'GET /v1/models lists the models that can be used here.'
        : 'Check the ids that the request names.';
    case 'upstream-forbidden':
      return fault.reason
        ? reasons[fault.reason]
        : 'The operator should check what this credential may use: its plan, its region, its models.';
    case 'upstream-failed':
      return fault.status < 500 && fault.status !== 408
        ? 'The operator should check the base-url of this provider in config.yaml.'
        : "Try again; if it goes on, look at the provider's status page.";
    default:
      return others[fault.kind] ?? 'Try again in a moment.';
  }
}

/** The same error as another fault, with what is to be done about that one. */
export const refaulted = (error: GatewayError, fault: Fault): GatewayError =>
  error.with({ fault, remedy: remedyOf(fault, error.upstream?.param) });

const reasons: Readonly<Record<ForbiddenReason, string>> = {
  not_entitled:
    'The operator should check what the plan of this credential includes; another model or credential may work.',
  verification_required:
    "The operator should sign in at the provider's website and confirm what it asks for; then this credential works again.",
  suspended: 'The operator should ask the provider why the account is suspended, and use another credential.',
  region: 'The operator should reach this provider through a proxy-url in a country that it serves.',
  challenge:
    'The operator should check that base-url is an API and not a website, or reach the provider through another proxy-url.',
  billing: "The operator should top up this provider's balance, or use another credential.",
};

const others: Readonly<Partial<Record<Fault['kind'], string>>> = {
  'too-large': 'Shorten the conversation, or use a model with a larger context window.',
  'content-filtered': 'The provider refuses this content; rephrase it or use another model.',
  'rate-limited': 'Wait and try again, or add another credential for this provider.',
  'quota-exhausted': 'Wait until the quota resets, raise it with the provider, or use another model.',
  'upstream-unauthorized':
    'The operator should check the key of this provider in config.yaml, or sign in to it again.',
};
