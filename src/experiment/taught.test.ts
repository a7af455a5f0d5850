import { describe, expect, it } from "vitest";
import { testEngine } from "../../test/testEngine.ts";
import { twoMoons } from "../data/toy.ts";
import { mul } from "../ops/arith.ts";
import { trainingOf } from "./run.ts";
import { checkSpec, defaultsFor } from "./spec.ts";
import { taught } from "./taught.ts";

const engine = testEngine();
const states = {
  name: "states",
  task: "none",
  x: Float32Array.from({ length: 600 }, (_, i) => i),
  shape: [2],
  count: 300,
} as const;

describe("taught()", () => {
  it("answers samples without labels by the teacher, also where a batch is not full", async () => {
    const data = await taught(states, (x) => mul(x, 2), engine);
    expect(data).toMatchObject({ task: "regression", classes: 2, count: 300, name: "states" });
    expect(data.targets).toEqual(states.x.map((v) => 2 * v));
    expect(data.notes).toEqual(["What is predicted is what the teacher says."]);
  });

  it("leaves classes as they are", async () => {
    const { train } = twoMoons(1, { samples: 20 });
    expect(await taught(train, (x) => mul(x, 2), engine)).toBe(train);
  });
});

describe("the teacher of a spec", () => {
  const spec = { ...defaultsFor("sobolev", "regression"), teacher: { file: "t.onnx", sha256: "a".repeat(64) } };

  it("is checked", () => {
    expect(checkSpec(spec)).toBe(spec);
    expect(() => checkSpec({ ...spec, method: { name: "plain" } })).toThrow(
      "$.teacher: must be left out but with sobolev",
    );
    expect(() => checkSpec({ ...spec, teacher: { file: "t.onnx", sha256: "a" } })).toThrow(
      "$.teacher.sha256: must be 64 hexadecimal digits",
    );
  });

  it("is a file that must be there", async () => {
    const data = await taught(states, (x) => mul(x, 2), engine);
    const split = { train: data, test: data };
    expect(() => trainingOf(spec, engine, split)).toThrow(
      "teacher: t.onnx is a file; lipschitz train --teacher learns from it",
    );
  });
});
