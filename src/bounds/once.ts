/** @file Results that several bounds need, kept as long as what they belong to. */

/** The same function, which computes only once for each object; the object must not change in between. */
export function once<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const made = new WeakMap<K, { readonly value: V }>();
  return (key) => {
    const known = made.get(key) ?? { value: make(key) };
    made.set(key, known);
    return known.value;
  };
}
