import { describe, expect, it } from "vitest";
import { input } from "../graph/leaf.ts";
import { mul } from "../ops/arith.ts";
import { EngineError } from "../tensor/errors.ts";
import { scalar } from "../tensor/tensor.ts";
import { nodeEngine } from "./node.ts";

describe("other execution providers", () => {
  it.each(["webgpu", "cuda"] as const)("%s computes, or says why it does not start here", async (provider) => {
    const attempt = nodeEngine({ provider })
      .compile({ y: mul(input("a", []), 2) })
      .then((program) => program.run({ a: scalar(2) }))
      .then(({ y }) => `computed ${y.data[0]}`)
      .catch((error: unknown) => (error instanceof EngineError ? error.message : error));
    expect(await attempt).toMatch(
      new RegExp(`^computed 4$|execution provider "${provider}" does not start on this machine`),
    );
  });

  it("refuses a name that no build has", () => {
    expect(() => nodeEngine({ provider: "abacus" as "cpu" })).toThrow(
      /execution provider "abacus" is not in this build.*cpu/,
    );
  });
});
