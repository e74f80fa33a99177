import { GatewayError } from '../core/error.ts';

/** The time a request has until its answer begins. */
export interface Deadline {
  /** Aborts when the client goes away, and when the time is over; its reason tells which. */
  readonly signal: AbortSignal;
  /** The answer has begun, or there will be none: from now on only the client ends it. */
  met(): void;
}

export function deadlineAfter(seconds: number, client: AbortSignal): Deadline {
  const controller = new AbortController();
  const { signal } = controller;
  const leave = () => controller.abort(client.reason);
  const timer = setTimeout(() => controller.abort(overdue(seconds)), seconds * 1000);
  if (client.aborted) leave();
  client.addEventListener('abort', leave, { once: true });
  return { signal, met: () => clearTimeout(timer) };
}

const overdue = (seconds: number): GatewayError =>
  new GatewayError(
    { kind: 'transport', phase: 'first-byte' },
    `No upstream had begun to answer after ${seconds} s, attempts and waits together.`,
    { remedy: 'Try again later, or raise timeouts.total-seconds in config.yaml.' },
  );
