import { readdirSync, readFileSync } from 'node:fs';
import { dlopen } from 'bun:ffi';

/** How Bun calls the thread on which it speaks to upstreams. It begins with the first request. */
const threadName = 'HTTP Client';

/** The C library, as glibc and musl name it. */
const libraries = ['libc.so.6', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`];

/** sched(7): a thread of the class `batch` waits for its turn where an ordinary one interrupts another as it wakes. */
const classes = { ordinary: 0, batch: 3 };

/**
 * The thread on which Bun speaks to upstreams. As the system has it, it interrupts the main thread for every answer that
 * arrives as long as both share a processor, which costs a whole answer a fifth of its time (measured on loopback). So it
 * waits for its turn, but for the time of an upload: its pieces would pile up between the two.
 * Where the system knows no such thing, nothing happens.
 */
class UpstreamThread {
  private set: ((scheduling: number) => void) | undefined;
  private known = false;
  private uploads = 0;

  /** There has been an exchange, so the thread is there. */
  begun(): void {
    if (this.known) return;
    this.known = true;
    this.set = setterOf(threadName);
    this.settle();
  }

  /** An upload begins. Returns what ends it. */
  upload(): () => void {
    this.uploads++;
    this.settle();
    return () => {
      this.uploads--;
      this.settle();
    };
  }

  private settle(): void {
    this.set?.(this.uploads > 0 ? classes.ordinary : classes.batch);
  }
}

export const upstreamThread = new UpstreamThread();

/** What sets the class of a thread of this process; undefined when there is no such thread, or no way to do it. */
function setterOf(name: string): ((scheduling: number) => void) | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const tasks = '/proc/self/task';
    const thread = readdirSync(tasks).find(
      (id) => readFileSync(`${tasks}/${id}/comm`, 'utf8').trim() === name,
    );
    const setScheduler = thread === undefined ? undefined : schedulerCall();
    return setScheduler && ((scheduling) => setScheduler(Number(thread), scheduling, new Int32Array(1)));
  } catch {
    return undefined;
  }
}

function schedulerCall() {
  for (const library of libraries) {
    try {
      return dlopen(library, { sched_setscheduler: { args: ['i32', 'i32', 'ptr'], returns: 'i32' } }).symbols
        .sched_setscheduler;
    } catch {
      // This C library is the other one's.
    }
  }
  return undefined;
}
