import { dlopen } from 'bun:ffi';

/** The C library, as glibc and musl name it. */
const libraries = ['libc.so.6', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`];

/** sched(7): the threads of such a process do not interrupt each other, or anybody else, the moment they wake. */
const batch = 3;
const thisThread = 0;

/**
 * Lets work be done in batches. Bun speaks to upstreams on a thread of its own, which otherwise interrupts the main thread
 * for every answer that arrives as long as both share a processor: that costs a request a fifth of its time (measured on
 * loopback). Threads inherit it, so it comes before the others begin. Where it cannot be had, nothing happens.
 */
export function workInBatches(): void {
  if (process.platform !== 'linux') return;
  for (const library of libraries) {
    try {
      const { symbols } = dlopen(library, {
        sched_setscheduler: { args: ['i32', 'i32', 'ptr'], returns: 'i32' },
      });
      symbols.sched_setscheduler(thisThread, batch, new Int32Array([0]));
      return;
    } catch {
      // This C library is the other one's.
    }
  }
}
