import { timingSafeEqual } from 'node:crypto';
import { Refusal } from './refusal.ts';

/** Tells whether a presented key is a management key, as cheaply as it can without telling anything else. */
export interface Keys {
  /** What is known of this key without work; undefined when it must be checked. */
  known(secrets: readonly string[], presented: string): boolean | undefined;
  /** @throws Refusal 429 when too many checks are waiting already. */
  check(secrets: readonly string[], presented: string): Promise<boolean>;
}

/** A secret-key that is a bcrypt hash, as the reference writes it into the config file. */
const isBcrypt = (secret: string) => /^\$2[aby]\$\d\d\$/.test(secret);

const mostVerdicts = 1_024;
/** A bcrypt check takes a tenth of a second of one core; more than this must not queue up for it. */
const mostWaiting = 8;

export function keys(): Keys {
  /** By a hash of secrets and presented key: a new secret makes new entries. Holds no key itself. */
  const verdicts = new Map<string, boolean>();
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;

  const entryOf = (secrets: readonly string[], presented: string) =>
    Bun.SHA256.hash([...secrets, presented].join('\0'), 'base64');

  /** One after the other, so that a flood of wrong keys keeps no more than one thread busy. */
  async function bcrypt(hash: string, presented: string): Promise<boolean> {
    if (waiting >= mostWaiting)
      throw new Refusal(
        429,
        'busy',
        'Too many management keys are being checked.',
        'Try again in a second.',
        {
          headers: { 'retry-after': '1' },
        },
      );
    waiting++;
    const verdict = last.then(() => Bun.password.verify(presented, hash, 'bcrypt').catch(() => false));
    last = verdict;
    return verdict.finally(() => waiting--);
  }

  return {
    known: (secrets, presented) => verdicts.get(entryOf(secrets, presented)),
    async check(secrets, presented) {
      let right = false;
      for (const secret of secrets)
        right ||= isBcrypt(secret) ? await bcrypt(secret, presented) : sameText(secret, presented);
      if (verdicts.size >= mostVerdicts) verdicts.clear();
      verdicts.set(entryOf(secrets, presented), right);
      return right;
    },
  };
}

/** Compared as hashes, so that neither length nor content can be told from the time it takes. */
function sameText(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

const digest = (text: string) => new Bun.CryptoHasher('sha256').update(text).digest();
