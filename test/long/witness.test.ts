/** @file The two points that `bound --witness` writes, evaluated by another program: ONNX Runtime on the bytes of the model, in float32, and plain loops. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { lengthOf } from "../../src/bounds/length.ts";
import type { WitnessRecord } from "../../src/bounds/lowerBounds/record.ts";
import { parseNpy } from "../../src/data/npy.ts";
import { constant, input } from "../../src/graph/leaf.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { add } from "../../src/ops/arith.ts";
import { conv } from "../../src/ops/conv.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { flatten } from "../../src/ops/movement.ts";
import { relu } from "../../src/ops/pointwise.ts";
import { normalTensor, random } from "../../src/tensor/random.ts";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-witness-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const source = random(3);
const [K, b, W] = [
  normalTensor(source, [3, 2, 3, 3]),
  normalTensor(source, [1, 3, 1, 1]),
  normalTensor(source, [48, 5]),
];
/** An image of two channels, 4 x 4: convolution, ReLU, dense. */
const model = writeModel({
  y: matmul(
    flatten(relu(add(conv(input("x", [1, 2, 4, 4]), constant(K), { pads: [1, 1, 1, 1] }), constant(b)))),
    constant(W),
  ),
});
writeFileSync(join(folder, "net.onnx"), model);

const run = (...words: string[]) =>
  spawnSync(process.execPath, [program, "bound", "net.onnx", ...words], { cwd: folder, encoding: "utf8" });
const read = (name: string) => JSON.parse(readFileSync(join(folder, name), "utf8")) as WitnessRecord;

/** The same function by plain loops. */
function loops(x: readonly number[]): number[] {
  const data = (t: typeof K) => t.data as Float32Array;
  const hidden = Array.from({ length: 48 }, (_, k) => {
    const [o, i, j] = [Math.floor(k / 16), Math.floor(k / 4) % 4, k % 4];
    let z = data(b)[o];
    for (let c = 0; c < 2; c++) {
      for (let p = -1; p <= 1; p++) {
        for (let q = -1; q <= 1; q++) {
          const inside = i + p >= 0 && i + p < 4 && j + q >= 0 && j + q < 4;
          if (inside) z += data(K)[((o * 2 + c) * 3 + p + 1) * 3 + q + 1] * x[(c * 4 + i + p) * 4 + j + q];
        }
      }
    }
    return Math.max(0, z);
  });
  return Array.from({ length: 5 }, (_, r) => hidden.reduce((s, h, k) => s + h * data(W)[k * 5 + r], 0));
}

const minus = (a: ArrayLike<number>, c: ArrayLike<number>) => Float64Array.from(a, (v, k) => v - c[k]);

describe("bound --witness", () => {
  it.each(["1", "2", "inf"] as const)(
    "in l%s: ONNX Runtime and plain loops see the quotient at the points",
    async (norm) => {
      const { status, stderr } = run(
        "--norm",
        norm,
        "--method",
        "jacobian,pairs",
        "--witness",
        `w${norm}.json`,
        "--quiet",
      );
      expect(stderr).toBe("");
      expect(status).toBe(0);
      const { x, y, fx, fy, quotient, shape, norm: said } = read(`w${norm}.json`);
      expect(said).toBe(norm);
      expect(shape).toEqual([1, 2, 4, 4].slice(-shape.length));
      const p = norm === "inf" ? "inf" : norm === "1" ? 1 : 2;
      const distance = lengthOf(minus(y, x), p);
      expect(lengthOf(minus(loops(y), loops(x)), p) / distance).toBeGreaterThan(quotient * (1 - 1e-9));
      expect(lengthOf(minus(fy, fx), p) / distance).toBeGreaterThan(quotient * (1 - 1e-9));
      expect(lengthOf(minus(fy, fx), p) / distance).toBeLessThan(quotient * (1 + 1e-6));
      // In float32 the points are those nearest to these, and sums round.
      const session = await ort.InferenceSession.create(model);
      const at = async (point: Float32Array) =>
        (await session.run({ x: new ort.Tensor("float32", point, [1, 2, 4, 4]) })).y.data as Float32Array;
      const [from, to] = [Float32Array.from(x), Float32Array.from(y)];
      const seen = lengthOf(minus(await at(to), await at(from)), p) / lengthOf(minus(to, from), p);
      expect(seen).toBeGreaterThan(quotient * (1 - 1e-3));
    },
  );

  it("as .npy: a batch of the two points", () => {
    expect(run("--method", "jacobian", "--witness", "w.npy", "--quiet").status).toBe(0);
    expect(run("--method", "jacobian", "--witness", "w.json", "--quiet").status).toBe(0);
    const { x, y, shape } = read("w.json");
    const stored = parseNpy("w.npy", new Uint8Array(readFileSync(join(folder, "w.npy"))));
    expect(stored.dtype).toBe("float64");
    expect(stored.shape).toEqual([2, ...shape]);
    expect(Array.from(stored.data as Float64Array)).toEqual([...x, ...y]);
  });

  it("in the units of the data where a preprocessing is in front, and in the box that was asked for", () => {
    const ask = (...words: string[]) => run("--method", "jacobian", "--witness", "s.json", "--quiet", ...words);
    expect(ask("--scale", "0.5", "--mean", "1,2", "--std", "4").status).toBe(0);
    const { x, y, quotient } = read("s.json");
    const prepared = (point: readonly number[]) => point.map((v, k) => (v * 0.5 - (k < 16 ? 1 : 2)) / 4);
    const rise = lengthOf(minus(loops(prepared(y)), loops(prepared(x))), 2);
    expect(rise / lengthOf(minus(y, x), 2)).toBeGreaterThan(quotient * (1 - 1e-6));
    expect(ask("--box=10,11").status).toBe(0);
    const boxed = read("s.json");
    for (const v of [...boxed.x, ...boxed.y]) expect(v >= 10 && v <= 11).toBe(true);
  });

  it("refuses another kind of file, and says where there are no two points", () => {
    expect(run("--witness", "w.txt")).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/must end in \.json or \.npy/),
    });
    expect(run("--witness", "w.json", "--method", "autolip", "--quiet")).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/no two points were found/),
    });
  });
});
