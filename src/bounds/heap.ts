/** @file A queue that gives back the largest first (a binary heap); of equals, the one that came first. */

export interface Heap<T> {
  readonly size: number;
  /** The largest key; -Infinity when empty. */
  readonly top: number;
  push(key: number, value: T): void;
  pop(): T | undefined;
}

/** An empty queue. */
export function heap<T>(): Heap<T> {
  const items: { readonly key: number; readonly order: number; readonly value: T }[] = [];
  let pushed = 0;
  const before = (i: number, j: number) => {
    const [a, b] = [items[i], items[j]];
    return a.key > b.key || (a.key === b.key && a.order < b.order);
  };
  const swap = (i: number, j: number) => {
    [items[i], items[j]] = [items[j], items[i]];
  };
  return {
    get size() {
      return items.length;
    },
    get top() {
      return items.length > 0 ? items[0].key : Number.NEGATIVE_INFINITY;
    },
    push(key, value) {
      items.push({ key, order: pushed++, value });
      for (let i = items.length - 1; i > 0; ) {
        const parent = (i - 1) >> 1;
        if (!before(i, parent)) break;
        swap(i, parent);
        i = parent;
      }
    },
    pop() {
      const last = items.length - 1;
      if (last < 0) return undefined;
      swap(0, last);
      const { value } = items.pop() as { readonly value: T };
      for (let i = 0; ; ) {
        const [left, right] = [2 * i + 1, 2 * i + 2];
        let best = i;
        if (left < items.length && before(left, best)) best = left;
        if (right < items.length && before(right, best)) best = right;
        if (best === i) return value;
        swap(i, best);
        i = best;
      }
    },
  };
}
