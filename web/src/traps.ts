/** @file The traps, and what is wrong in each. The worker replays them by the library. */
import type { TrapName } from "./protocol.ts";

export interface Trap {
  readonly name: TrapName;
  readonly title: string;
  readonly words: string;
}

export const traps: readonly Trap[] = [
  {
    name: "power",
    title: "Power iteration is below the norm",
    words:
      "Ten steps of power iteration are what many libraries print as a layer's norm, and multiply into an 'upper bound'. They approach the norm from below.",
  },
  {
    name: "pool",
    title: "Overlapping pools stretch",
    words:
      "Max pooling is often taken to have constant 1. With overlapping windows one input is the maximum of several windows.",
  },
  {
    name: "units",
    title: "The units of the data",
    words:
      "A network behind (x - mean) / std has another constant and other radii than the network alone. A radius of 0.1 of normalised images is not 0.1 of pixels.",
  },
  {
    name: "batch",
    title: "The batch axis",
    words:
      "A network that takes a mean over its batch gives a sample other outputs beside other samples: no sample has a radius of its own.",
  },
];
