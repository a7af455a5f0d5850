/** @file The traps: each computes the wrong number and the right one, on numbers small enough to follow. */
import { random } from "lipschitz";
import { showNumber } from "lipschitz/report";

export interface Trap {
  readonly title: string;
  readonly words: string;
  /** Both numbers, in a sentence. */
  replay(): string;
}

let draws = 0;

export const traps: readonly Trap[] = [
  {
    title: "Power iteration is below the norm",
    words:
      "Ten steps of power iteration are what many libraries print as a layer's norm, and multiply into an 'upper bound'. They approach the norm from below.",
    replay() {
      const source = random(++draws);
      const n = 40;
      // A diagonal matrix, whose norm is known: 1, with many singular values just below it.
      const sigma = Array.from({ length: n }, (_, i) => (i === 0 ? 1 : 0.97 * (1 - i / 400)));
      let v = sigma.map(() => source.normal());
      let found = 0;
      for (let step = 0; step < 10; step++) {
        const w = v.map((a, i) => sigma[i] * sigma[i] * a);
        found = Math.sqrt(Math.hypot(...w) / Math.hypot(...v));
        v = w;
      }
      return `The norm is 1; ten steps from a random start say ${found.toFixed(4)}. Ten such layers: ${(found ** 10).toFixed(3)} for a constant of 1.`;
    },
  },
  {
    title: "Overlapping pools stretch",
    words:
      "Max pooling is often taken to have constant 1. With overlapping windows one input is the maximum of several windows.",
    replay() {
      // Windows of 3 with stride 1 over five numbers: the middle one is in three windows.
      const pool = (x: readonly number[]) => [0, 1, 2].map((i) => Math.max(x[i], x[i + 1], x[i + 2]));
      const [x, y] = [
        [0, 0, 1, 0, 0],
        [0, 0, 2, 0, 0],
      ];
      const moved = Math.hypot(...pool(x).map((v, i) => v - pool(y)[i]));
      return `Moving one input by 1 moves the outputs by ${showNumber(moved)} in l2: the root of 3, not 1.`;
    },
  },
  {
    title: "The units of the data",
    words:
      "A network behind (x - mean) / std has another constant and other radii than the network alone. A radius of 0.1 of normalised images is not 0.1 of pixels.",
    replay() {
      const std = 0.3081;
      const [constant, margin] = [2, 1.2];
      return `With std ${std}: in normalised units radius ${showNumber(margin / constant)}; in pixels ${showNumber((margin * std) / constant)}.`;
    },
  },
  {
    title: "The batch axis",
    words:
      "A network that divides by the size of its batch, or takes a mean over it, has another constant for every batch: no sample has a radius of its own.",
    replay() {
      const logits = [2, 1];
      const scaled = (batch: number) => logits.map((v) => v * batch);
      const margin = (v: readonly number[]) => v[0] - v[1];
      return `Logits times the batch size: margin ${margin(scaled(1))} for one sample, ${margin(scaled(256))} in a batch of 256. Over the constant of batch 1, radii grow 256 times for nothing.`;
    },
  },
];
