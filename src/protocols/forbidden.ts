import type { ForbiddenReason } from '../core/error.ts';
import type { ErrorWords } from './errors.ts';

/**
 * Why an upstream refuses a credential that it knows, by its words. The vendors answer all of it with 403 and now and
 * then with 400; only the sentence tells a used-up balance from a country that is not served.
 */

/** Sentences that mean this whatever the status. The order matters: a suspended account is told to check its billing. */
const plain: readonly (readonly [ForbiddenReason, RegExp])[] = [
  // Anthropic "This organization has been disabled.", OpenAI account_deactivated, Groq organization_restricted, Kimi
  // access_terminated_error, Kiro TEMPORARILY_SUSPENDED, Google "Consumer … has been suspended."
  [
    'suspended',
    /\bsuspended\b|consumer_suspended|account_deactivated|deactivated_workspace|access_terminated|(?:account|organization|workspace|team|user)[\w' ]{0,40} (?:has been|is|was) (?:disabled|deactivated|banned|terminated|restricted|locked|blocked)|organization_restricted|violation of (?:our )?terms/i,
  ],
  // OpenAI "Your organization must be verified to …", Google VALIDATION_REQUIRED, Groq model_terms_required.
  [
    'verification_required',
    /must be verified|verify your|verification (?:is )?required|validation_required|terms_required|requires terms acceptance|accept (?:the|our|its) [\w ]{0,30}(?:terms|agreement|licen[cs]e)/i,
  ],
  // OpenAI unsupported_country_region_territory, Google "User location is not supported for the API use."
  [
    'region',
    /unsupported_country|unsupported_region|location is not supported|(?:country|region|territory|location)\b[^.]{0,40}\b(?:not|isn't) (?:supported|allowed|available|served)|(?:not|isn't) (?:supported|allowed|available) in (?:your|this) (?:country|region|territory|location)/i,
  ],
  // Anthropic "Your credit balance is too low …", Google BILLING_DISABLED, xAI "doesn't have any credits".
  [
    'billing',
    /credit balance is too low|insufficient (?:balance|credits?|funds)|insufficient_(?:balance|credits|funds)|billing_(?:disabled|not_active)|requires billing to be enabled|(?:doesn't|does not) have any credits|payment (?:is )?required|out of credits/i,
  ],
];

/** What a 403 says besides: not sold to this account. */
const entitlement =
  /permission|not (?:authorized|entitled|licensed|included|enabled)|access to|no access|not have access|access denied|\bplans?\b|subscription|licen[cs]e|upgrade|not_included|service_disabled|has not been used in project|model_not_found|not allowed/i;

/** The reason that the words name, whatever the status. */
export function reasonOf({ type, code, message }: ErrorWords): ForbiddenReason | undefined {
  const said = [type, code, message].join(' ');
  return plain.find(([, pattern]) => pattern.test(said))?.[0];
}

/** The reason of a 403; undefined when its words are none of those known. */
export function reasonOf403(words: ErrorWords): ForbiddenReason | undefined {
  const said = [words.type, words.code, words.message].join(' ');
  return reasonOf(words) ?? (entitlement.test(said) ? 'not_entitled' : undefined);
}
