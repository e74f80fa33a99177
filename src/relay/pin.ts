import type { ClientLine } from '../channels/channel.ts';
import type { Attempt, Plan } from './plan.ts';

/** The plan with the account first whose WebSocket remembers the conversation of this line. */
export function pinned(plan: Plan, line: ClientLine | undefined): Plan {
  const accountId = line?.accountId;
  return accountId === undefined ? plan : { ...plan, attempts: first(plan.attempts, accountId) };
}

/** An account that rests because the upstream said so is not among the attempts, and so never comes first. */
function* first(attempts: Iterable<Attempt>, accountId: string): Iterable<Attempt> {
  const all = [...attempts];
  const holder = all.find(({ account }) => account.id === accountId);
  if (holder) yield holder;
  for (const attempt of all) if (attempt !== holder) yield attempt;
}
