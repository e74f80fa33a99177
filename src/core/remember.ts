/**
 * A function that reads each object once and says the same from then on, for as long as the object lives. What it reads
 * must never change.
 */
export function rememberedBy<K extends object, V extends object>(read: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, V>();
  return (key) => {
    let value = known.get(key);
    if (value === undefined) known.set(key, (value = read(key)));
    return value;
  };
}
