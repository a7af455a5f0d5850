/** @file Values by path: `{"0/weight": w, "0/bias": b}`. Flat, so that it is at once the feeds of a program and the names in a checkpoint. */

export type Named<T> = Readonly<Record<string, T>>;

/** Put every name under a prefix: `under("0", {bias})` is `{"0/bias"}`. */
export function under<T>(prefix: string, named: Named<T>): Named<T> {
  return Object.fromEntries(Object.entries(named).map(([name, value]) => [`${prefix}/${name}`, value]));
}

/** The inverse of `under`: the values under a prefix, the prefix removed; others are left out. */
export function within<T>(prefix: string, named: Named<T>): Named<T> {
  const start = `${prefix}/`;
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, value]) =>
      name.startsWith(start) ? [[name.slice(start.length), value]] : [],
    ),
  );
}

/** Map every value, keeping the names. */
export function mapNamed<T, U>(named: Named<T>, f: (value: T, name: string) => U): Named<U> {
  return Object.fromEntries(Object.entries(named).map(([name, value]) => [name, f(value, name)]));
}
