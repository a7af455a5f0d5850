/** @file Arguments that were attributes and became inputs. */
import type { Call } from "../call.ts";

/** What was attribute `name` before opset `since` and is input `i` from there on; null where it was left out. */
export function argument(c: Call, name: string, i: number, since: number): readonly number[] | null {
  return c.opset >= since ? c.numbers(i) : c.attributes.ints(name);
}
