/** @file Points of a box, drawn evenly: the inputs of whoever has a function and no samples of it. */
import { UsageError } from "../tensor/errors.ts";
import { type Random, random } from "../tensor/random.ts";
import type { Unlabelled } from "./dataset.ts";

/** What the name of such data begins with. */
export const boxPrefix = "box:";

/** So many of each part, of which fewer may be used. */
const counts = { train: 4096, test: 1024 } as const;

/**
 * Uniform points of a box, without answers, a function of the seed. Its name is `box:LO:HI,LO:HI,...`, a pair for each input. Shape `[inputs]`.
 * Throws UsageError where the name is not of this form.
 */
export function boxPoints(name: string, seed: number): { readonly train: Unlabelled; readonly test: Unlabelled } {
  const sides = name
    .slice(boxPrefix.length)
    .split(",")
    .map((pair) => pair.split(":").map((word) => (word.trim() === "" ? Number.NaN : Number(word))));
  if (!sides.every((ends) => ends.length === 2 && ends.every(Number.isFinite) && ends[0] <= ends[1])) {
    throw new UsageError(
      `data: a box must be ${boxPrefix}LO:HI,LO:HI,..., with LO <= HI for each input, got "${name}"`,
    );
  }
  const source = random(seed).fork("box");
  return {
    train: draw(name, sides, counts.train, source.fork("train")),
    test: draw(name, sides, counts.test, source.fork("test")),
  };
}

// --- internal ---

function draw(name: string, sides: readonly (readonly number[])[], count: number, source: Random): Unlabelled {
  const x = new Float32Array(count * sides.length);
  for (let i = 0; i < x.length; i++) {
    const [low, high] = sides[i % sides.length];
    x[i] = low + (high - low) * source.uniform();
  }
  return { name, task: "none", x, shape: [sides.length], count };
}
