import { describe, expect, it } from "vitest";
import { bytesOf, certificateOf, engine, points } from "../../test/certificates.ts";
import { declaredAs, modelOf } from "../../test/model.ts";
import { inFamily } from "../layers/family.ts";
import { sll } from "../layers/sll.ts";
import { matrix } from "../linalg/matrix.ts";
import { spectralNorm } from "../linalg/norm.ts";
import { mlp } from "../models/mlp.ts";
import { buildModel } from "../models/spec.ts";
import { random } from "../tensor/random.ts";
import { tensor } from "../tensor/tensor.ts";
import { sparse } from "../verify/algebra/sparse.ts";
import { walk } from "../verify/proof/walk.ts";
import { runAtOnce } from "../verify/task.ts";
import { readProgram, verify } from "../verify/verify.ts";
import { largestSingular } from "./largest.ts";
import { witnessOf } from "./witness.ts";

const shape = [1, 12, 12];
const model = buildModel({ kind: "convnet", widths: [3, 4] }, shape, 4);

describe("witnessOf()", () => {
  it("falls to sums of absolute values where there is no time, and says so", async () => {
    const program = readProgram(await bytesOf(model, shape), {}, shape);
    const hasty = await witnessOf(program, { norm: 2, engine, limit: 0 });
    expect(hasty.notes.join("\n")).toMatch(/from sums of absolute values: the norms of the maps to /);
    expect(hasty.notes.join("\n")).toMatch(/no multipliers: there was no time/);
    const whole = await witnessOf(program, { norm: 2, engine, seconds: 0.3 });
    expect(whole.notes).toEqual([]);
    // Both are accepted; time is worth something.
    const [slow, quick] = [whole, hasty].map(({ witness }) => runAtOnce(walk(program, 2, witness)).constant);
    expect(slow).toBeLessThan(0.9 * quick);
  });

  it("takes blocks as the products of their parts where there is no time, and says so", async () => {
    const blocks = inFamily(mlp([9, 8, 8, 3]), sll());
    const program = readProgram(await bytesOf(blocks, [9]), {}, [9]);
    const hasty = await witnessOf(program, { norm: 2, engine, limit: 0 });
    expect(hasty.notes.join("\n")).toMatch(/no time for the blocks that end in "[a-z_0-9]+", "[a-z_0-9]+"$/m);
    const whole = await witnessOf(program, { norm: 2, engine, seconds: 0.3 });
    expect(whole.notes).toEqual([]);
    const [slow, quick] = [whole, hasty].map(({ witness }) => runAtOnce(walk(program, 2, witness)).constant);
    expect(slow).toBeLessThan(1 + 1e-5);
    expect(quick).toBeGreaterThan(1.1);
    // Norms other than l2 know no blocks.
    const other = await witnessOf(program, { norm: "inf", engine });
    expect(other.witness.blocks).toEqual([]);
  });

  it("takes the symbols of a wide convolution and says so; a network too wide has no multipliers", async () => {
    const wide = [1, 40, 40];
    const program = readProgram(await bytesOf(buildModel({ kind: "resnet", widths: [8] }, wide, 3), wide), {}, wide);
    const { notes, witness } = await witnessOf(program, { norm: 2, engine, seconds: 0.3 });
    expect(notes.join("\n")).toMatch(/from symbols, on a circle: the norms/);
    expect(notes.join("\n")).toMatch(/no multipliers: every end of the network is too wide/);
    expect(runAtOnce(walk(program, 2, witness)).constant).toBeGreaterThan(0);
  });

  it("has no multipliers where an activation is a line, and says so", async () => {
    const nodes = [
      { op: "LeakyRelu", in: ["x"], out: ["a"], attributes: { alpha: { float: 1 } } },
      { op: "MatMul", in: ["a", "W"], out: ["b"] },
      { op: "Selu", in: ["b"], out: ["c"] },
      { op: "MatMul", in: ["c", "W"] },
    ];
    const W = tensor([0.5, -1, 2, 1], [2, 2]);
    const bytes = declaredAs(modelOf({ inputs: { x: [1, 2] }, nodes, tensors: { W } }), [1, 2]);
    const { notes, witness } = await witnessOf(readProgram(bytes, {}, [2]), { norm: 2, engine, seconds: 0.1 });
    expect(notes.join("\n")).toMatch(/no multipliers: an activation is a line/);
    expect(witness.chain).toBeNull();
  });

  it("stops when it is told to, and so does the checker", async () => {
    const bytes = await bytesOf(model, shape);
    const program = readProgram(bytes, {}, shape);
    const stopped = new AbortController();
    const onProgress = (part: number) => part > 0 && stopped.abort(new Error("enough"));
    await expect(witnessOf(program, { norm: 2, engine, signal: stopped.signal, onProgress })).rejects.toThrow(/enough/);
    const data = points(shape, 1500, 4);
    const { text } = await certificateOf(bytes, data);
    const late = new AbortController();
    const onCheck = ({ what }: { readonly what: string }) => what === "constant" && late.abort(new Error("enough"));
    await expect(verify(text, bytes, { data, signal: late.signal, onCheck })).rejects.toThrow(/enough/);
  });
});

describe("largestSingular()", () => {
  it.each([
    [5, 9],
    [40, 40],
    [80, 30],
  ])("is near the norm and not above: %i x %i", (rows, cols) => {
    const source = random(rows);
    const data = Float64Array.from({ length: rows * cols }, () => source.normal());
    const A = sparse(rows, cols, (i, put) => {
      for (let j = 0; j < cols; j++) put(j, data[i * cols + j]);
    });
    const { upper, lower } = spectralNorm(matrix(rows, cols, data), { tolerance: 1e-12 });
    expect(largestSingular(A)).toBeLessThan(upper * (1 + 1e-12));
    expect(largestSingular(A)).toBeGreaterThan(lower * (1 - 1e-8));
  });
});
