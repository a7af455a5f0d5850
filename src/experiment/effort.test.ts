/** @file How much a run measures: multiply-adds counted by hand, and what follows from them. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../engine/node.ts";
import { inFamily } from "../layers/family.ts";
import { sandwich } from "../layers/sandwich.ts";
import { convnet } from "../models/convnet.ts";
import { freeze } from "../models/freeze.ts";
import { mlp } from "../models/mlp.ts";
import { random } from "../tensor/random.ts";
import { effortFor, multiplyAdds } from "./effort.ts";

const engine = nodeEngine();
const frozen = (layer: ReturnType<typeof mlp> | ReturnType<typeof inFamily>, sample: readonly number[]) =>
  freeze(engine, layer, layer.init(random(1), sample), sample);

describe("multiplyAdds()", () => {
  it("counts the products of dense layers and the taps of convolutions", async () => {
    expect(multiplyAdds(await frozen(mlp([5, 7, 3]), [5]))).toBe(1 + 5 * 7 + 7 * 3);
    const plain = await frozen(convnet(3, { channels: [2, 4], hidden: 6 }), [1, 8, 8]);
    expect(multiplyAdds(plain)).toBe(1 + 16 * 2 * 9 + 4 * 4 * 2 * 9 + 16 * 6 + 6 * 3);
  });

  it("sees that a circular convolution has a kernel as large as its image", async () => {
    const model = inFamily(convnet(3, { channels: [2, 4], hidden: 6 }), sandwich());
    const wrapped = await frozen(model, [1, 8, 8]);
    expect(multiplyAdds(wrapped)).toBe(1 + 16 * 2 * 64 + 4 * 4 * 2 * 16 + 16 * 6 + 6 * 3);
  });
});

describe("effortFor()", () => {
  it("measures all it may of a small network, less of a large one, and never nothing", async () => {
    const small = effortFor(await frozen(mlp([5, 7, 3]), [5]), 5000);
    expect(small).toEqual({ multiplyAdds: 57, attacked: 1000, curved: 200, rounds: 40 });
    const network = await frozen(mlp([5, 7, 3]), [5]);
    expect(effortFor(network, 20)).toMatchObject({ attacked: 20, curved: 20 });
    const large = effortFor(await frozen(mlp([2000, 2000, 3]), [2000]), 5000);
    expect(large).toMatchObject({ attacked: 199, curved: 74, rounds: 18 });
    expect(effortFor(await frozen(mlp([4000, 4000, 4000, 3]), [4000]), 5000)).toMatchObject({
      attacked: 32,
      curved: 16,
      rounds: 5,
    });
  });
});
