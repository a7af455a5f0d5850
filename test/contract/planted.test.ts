/** @file The check of random models is itself held to something: errors that are planted in what it checks are noticed, each within a stated number of models. */
import { expect, it } from "vitest";
import { check } from "../soak/check.ts";
import { generate } from "../soak/generate.ts";
import { type Plant, plants } from "../soak/plant.ts";

/** Models with a place for the error among which it must be noticed; at most so many seeds are drawn to find them. */
const within: Readonly<Record<string, number>> = {
  "a slope 2 % small": 60,
  "a dropped node": 10,
  "a wrong pad": 10,
  "a wrong alpha": 20,
  "a resize off by one": 20,
  "SAME_UPPER for SAME_LOWER": 20,
  "an axis that is not the last": 20,
  "integers of 64 bits as doubles": 10,
  "a lower bound from a derivative": 60,
};

it.each(Object.entries(plants))("%s is noticed", async (name, plant) => {
  const most = within[name];
  const seen = await noticed(plant, most);
  expect(seen, `of ${most} models`).toBeGreaterThan(0);
});

// --- internal ---

/** The place, among the models that have one for the error, of the first in which it is noticed; 0 where it is not. */
async function noticed(plant: Plant, most: number): Promise<number> {
  for (let seed = 10_000, tried = 0; tried < most && seed < 40_000; seed++) {
    const { model } = generate(seed);
    const options = plant(model);
    if (!options) continue;
    tried++;
    const { breach } = await check(model, seed, { classifier: false, ...options });
    if (breach && !(await check(model, seed, { classifier: false })).breach) return tried;
  }
  return 0;
}
