/** @file A lower bound as another program can check it: two points, what the network makes of them, and the quotient. */
import type { Network } from "../../graph/network.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Bracket } from "../bound.ts";
import { asFunction } from "../fixed.ts";
import { subjectOf } from "../subject.ts";

/** Plain data; arrays are flat, row-major. */
export interface WitnessRecord {
  readonly norm: Bracket["norm"];
  readonly domain: string;
  readonly method: string;
  /** ||f(y) - f(x)|| / ||y - x|| is at least this, in exact arithmetic. */
  readonly quotient: number;
  /** Of x and y, as the network takes them without a free batch; with a preprocessing in front, in the units of the data. */
  readonly shape: Shape;
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** In float64, all outputs one after the other. */
  readonly fx: readonly number[];
  readonly fy: readonly number[];
}

/** The witness of a bracket of this network; null where it has none. */
export function witnessRecord(network: Network, { norm, domain, lower }: Bracket): WitnessRecord | null {
  if (!lower?.witness) return null;
  const subject = subjectOf(network);
  const { x: input, y: output } = subject.at(1, "float64");
  const f = asFunction(output, input);
  const { x, y } = lower.witness;
  const at = (point: readonly number[]) => Array.from(f(Float64Array.from(point)));
  return {
    norm,
    domain,
    method: lower.method,
    quotient: lower.value,
    shape: subject.sample,
    x,
    y,
    fx: at(x),
    fy: at(y),
  };
}
