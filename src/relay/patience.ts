import { asGatewayError } from '../core/error.ts';
import { describe } from '../telemetry/redact.ts';
import type { Errand } from './errand.ts';

/** Waits for a promise, but not longer than that; its failure is thrown when it comes in time. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const encoder = new TextEncoder();
const blank = encoder.encode('\n');

/**
 * A whole answer that may be long in coming, for clients and proxies that take silence for a broken connection: after
 * each silence of that length a blank line goes out, which JSON allows before its first brace. With the first of them
 * the status is 200, whatever comes; a failure then is the error's body, and the record says it.
 */
export async function patiently(
  errand: Errand,
  coming: Promise<Response>,
  everyMs: number,
): Promise<Response> {
  const inTime = await within(coming, everyMs);
  if (inTime) return inTime;
  return new Response(kept(errand, coming, everyMs), {
    headers: { 'content-type': 'application/json', 'x-accel-buffering': 'no' },
  });
}

function kept(errand: Errand, coming: Promise<Response>, everyMs: number): ReadableStream<Uint8Array> {
  let timer: ReturnType<typeof setInterval> | undefined;
  let left = false;
  return new ReadableStream<Uint8Array>({
    start(out) {
      out.enqueue(blank);
      timer = setInterval(() => out.enqueue(blank), everyMs);
      const told = coming.then(
        (response) => response.text(),
        (thrown: unknown) => failure(errand, thrown),
      );
      void told.then((text) => {
        clearInterval(timer);
        if (left) return;
        out.enqueue(encoder.encode(text));
        out.close();
      });
    },
    cancel() {
      left = true;
      clearInterval(timer);
    },
  });
}

/** The body of a failure that its status cannot tell any more; closes the books. */
function failure(errand: Errand, thrown: unknown): string {
  const { client, exchange, tools } = errand;
  const { record, signal } = exchange;
  const error = asGatewayError(thrown);
  if (error.fault.kind === 'internal')
    tools.log('error', 'internal', { id: record.id, error: describe(thrown) });
  record.status = signal.aborted ? 499 : 200;
  record.error = { code: error.code, scope: error.scope, message: error.message };
  errand.settle();
  return JSON.stringify(client.encodeError(error, record.id));
}
