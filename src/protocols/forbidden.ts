import type { ForbiddenReason } from '../core/error.ts';
import type { ErrorWords } from './errors.ts';

/**
 * Why an upstream refuses a credential that it knows, by its words. The vendors answer all of it with 403 and now and
 * then with 400; only the sentence tells a used-up balance from a country that is not served.
 */

type Reasons = readonly (readonly [ForbiddenReason, RegExp])[];

/**
 * Words and sentences that mean this whatever the status. They are whole, because an error of 400 may speak of any field:
 * a `location` that is not supported is no country. A suspended account comes first: it is told to check its billing.
 */
const certain: Reasons = [
  // Anthropic "This organization has been disabled.", OpenAI account_deactivated, Groq organization_restricted, Kimi
  // access_terminated_error, Google "Consumer … has been suspended."
  [
    'suspended',
    /consumer_suspended|account_deactivated|deactivated_workspace|access_terminated|organization_restricted|(?:account|organization|workspace|team|consumer)[\w:' ]{0,40} (?:has been|is) (?:suspended|disabled|deactivated|banned|terminated|restricted)/i,
  ],
  // OpenAI "Your organization must be verified to …", Google VALIDATION_REQUIRED, Groq model_terms_required.
  [
    'verification_required',
    /(?:account|organization|identity) must be verified|validation_required|terms_required|requires terms acceptance/i,
  ],
  [
    'region',
    /unsupported_country|unsupported_region|user location is not supported|country, region, or territory not supported/i,
  ],
  // Anthropic "Your credit balance is too low …", Google BILLING_DISABLED.
  [
    'billing',
    /credit balance is too low|insufficient[ _](?:balance|credits?|funds)|billing_(?:disabled|not_active)|requires billing to be enabled/i,
  ],
];

/** What the words of a 403 mean besides. */
const likely: Reasons = [
  ['suspended', /\bsuspended\b|\bbanned\b|violation of (?:our )?terms/i],
  [
    'verification_required',
    /verify your|verification (?:is )?required|accept (?:the|our|its) [\w ]{0,30}(?:terms|agreement|licen[cs]e)/i,
  ],
  [
    'region',
    /(?:country|region|territory|location)\b[^.]{0,40}\b(?:not|isn't) (?:supported|allowed|available|served)|(?:not|isn't) (?:supported|allowed|available) in (?:your|this) (?:country|region|territory|location)/i,
  ],
  // xAI "Your newly created team doesn't have any credits …"
  ['billing', /(?:doesn't|does not) have any credits|payment (?:is )?required|out of credits|billing/i],
  [
    'not_entitled',
    /permission|not (?:authorized|entitled|licensed|included|enabled|allowed)|access to|no access|not have access|access denied|\bplans?\b|subscription|licen[cs]e|upgrade|not_included|service_disabled|has not been used in project|model_not_found/i,
  ],
];

/** The reason that the words name, whatever the status. */
export const reasonOf = (words: ErrorWords): ForbiddenReason | undefined => named(certain, words);

/** The reason of a 403; undefined when its words are none of those known. */
export const reasonOf403 = (words: ErrorWords): ForbiddenReason | undefined =>
  named([...certain, ...likely], words);

function named(reasons: Reasons, { type, code, message }: ErrorWords): ForbiddenReason | undefined {
  const said = [type, code, message].join(' ');
  return reasons.find(([, pattern]) => pattern.test(said))?.[0];
}
