import type { Entry, Limits, Shelf } from './state.ts';

/** A shelf in this process alone: lost with it. */
export function memoryShelf(): Shelf {
  const spaces = new Map<string, { readonly entries: Map<string, Entry>; bytes: number }>();

  const spaceOf = (name: string) => {
    let space = spaces.get(name);
    if (!space) spaces.set(name, (space = { entries: new Map(), bytes: 0 }));
    return space;
  };

  function remove(name: string, key: string): void {
    const space = spaceOf(name);
    space.bytes -= space.entries.get(key)?.text.length ?? 0;
    space.entries.delete(key);
  }

  function makeRoom(name: string, limits: Limits): void {
    const space = spaceOf(name);
    for (const key of space.entries.keys()) {
      if (space.entries.size <= limits.entries && space.bytes <= limits.bytes) return;
      remove(name, key);
    }
  }

  return {
    read(name, key, nowMs) {
      const found = spaceOf(name).entries.get(key);
      return found && found.expiresAt > nowMs ? found.text : undefined;
    },
    newest(name, limit, nowMs) {
      const fresh = [...spaceOf(name).entries.values()].filter(({ expiresAt }) => expiresAt > nowMs);
      return fresh
        .slice(-limit)
        .reverse()
        .map(({ text }) => text);
    },
    write(name, limits, entries) {
      const space = spaceOf(name);
      for (const entry of entries) {
        remove(name, entry.key);
        space.entries.set(entry.key, entry);
        space.bytes += entry.text.length;
      }
      makeRoom(name, limits);
    },
    remove,
    sweep(nowMs) {
      for (const [name, { entries }] of spaces)
        for (const [key, { expiresAt }] of entries) if (expiresAt <= nowMs) remove(name, key);
    },
    close() {
      spaces.clear();
    },
  };
}
