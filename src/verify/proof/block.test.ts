import { describe, expect, it } from "vitest";
import { certificateOf, engine, points } from "../../../test/certificates.ts";
import { functionOf, weight } from "../../../test/functions.ts";
import { blockWitness } from "../../certify/blockWitness.ts";
import { logitsOf } from "../../certify/evaluate.ts";
import { witnessOf } from "../../certify/witness.ts";
import type { Node } from "../../graph/graph.ts";
import { singularValues } from "../../linalg/svd.ts";
import { writeNetwork } from "../../onnx/network.ts";
import { parseOnnx } from "../../onnx/read.ts";
import { add } from "../../ops/arith.ts";
import { broadcastTo } from "../../ops/broadcast.ts";
import { conv, convTranspose } from "../../ops/conv.ts";
import { matmul } from "../../ops/matmul.ts";
import { reshape } from "../../ops/movement.ts";
import { relu, tanh } from "../../ops/pointwise.ts";
import { random } from "../../tensor/random.ts";
import { runAtOnce } from "../task.ts";
import { readProgram, verify } from "../verify.ts";
import { blockParts, provedBlock } from "./block.ts";
import { hessianBounds } from "./hessian.ts";
import { valuesAt } from "./run.ts";
import { walk } from "./walk.ts";

const never = Number.POSITIVE_INFINITY;

/** x + s(x A) B, A [n, r], B [r, n], as the checker reads it. */
function programOf(n: number, A: readonly number[], B: readonly number[], s: (x: Node) => Node = relu) {
  const r = A.length / n;
  const network = functionOf([n], (x) => add(x, matmul(s(matmul(x, weight(x, A, [n, r]))), weight(x, B, [r, n]))));
  return readProgram(writeNetwork(network), {}, [n]);
}

/** What is proved of it, with multipliers read off the weights. */
async function constantOf(...block: Parameters<typeof programOf>): Promise<number | null> {
  const program = programOf(...block);
  const [witness] = (await blockWitness(program, never)).blocks;
  return witness ? runAtOnce(provedBlock(program, witness)) : null;
}

/** The largest norm of I + B^T diag(pattern) A^T. */
function steepest(n: number, A: readonly number[], B: readonly number[]): number {
  const r = A.length / n;
  let top = 0;
  for (let pattern = 0; pattern < 2 ** r; pattern++) {
    const J = Float64Array.from({ length: n * n }, (_, k) => {
      const [a, b] = [Math.floor(k / n), k % n];
      let sum = a === b ? 1 : 0;
      for (let i = 0; i < r; i++) if (pattern & (1 << i)) sum += B[i * n + a] * A[b * r + i];
      return sum;
    });
    top = Math.max(top, singularValues({ rows: n, cols: n, data: J })[0]);
  }
  return top;
}

const rounded = (values: readonly number[]) => values.map(Math.fround);

describe("provedBlock()", () => {
  it("proves a gradient step, and the limit of its size", async () => {
    // x - 2 relu(x) = -|x| lengthens nothing, a longer step does.
    expect(await constantOf(1, [1], [-2])).toBeCloseTo(1, 8);
    expect(await constantOf(1, [1], [-1.5])).toBeCloseTo(1, 12);
    expect(await constantOf(1, [1], [-2.0625])).toBeGreaterThanOrEqual(1.0625);
    expect(await constantOf(1, [1], [-2.0625])).toBeLessThan(1.0626);
    expect(await constantOf(1, [1], [0.5])).toBeNull();
  });

  it("is never below the slope of any pattern, with multipliers of any kind", async () => {
    const source = random(3);
    let [found, proved, drawn] = [0, 0, 0];
    for (let k = 0; k < 150; k++) {
      const [n, r] = [2, 3];
      const A = rounded(Array.from({ length: n * r }, () => source.normal()));
      const scale = Array.from({ length: r }, () => 0.1 + 0.7 * source.uniform());
      const off = 0.1 * source.uniform();
      const B = rounded(
        Array.from({ length: r * n }, (_, m) => {
          const [i, c] = [Math.floor(m / n), m % n];
          return -scale[i] * A[c * r + i] + off * source.normal();
        }),
      );
      const least = steepest(n, A, B) * (1 - 1e-12);
      const program = programOf(n, A, B);
      const [witness] = (await blockWitness(program, never)).blocks;
      if (!witness) continue;
      found++;
      const own = runAtOnce(provedBlock(program, witness));
      expect(own).toBeGreaterThanOrEqual(least);
      for (let trial = 0; trial < 20; trial++) {
        drawn++;
        const multipliers = witness.multipliers.map((l) => l * Math.exp(0.3 * source.normal()));
        const norm = Math.min(0.9999, witness.norm * Math.exp(0.3 * source.normal()));
        const constant = runAtOnce(provedBlock(program, { ...witness, multipliers, norm }));
        if (constant === null) continue;
        proved++;
        expect(constant).toBeGreaterThanOrEqual(least);
      }
    }
    expect(found).toBeGreaterThan(40);
    // Some are accepted, and some are not.
    expect(proved).toBeGreaterThan(100);
    expect(proved).toBeLessThan(drawn - 100);
  });

  it("leaves out neurons that do not move or that nothing reads, and no others", async () => {
    const [A, B] = [
      [1, 0, 2],
      [-1, 5, 0],
    ];
    const program = programOf(1, A, B);
    const [witness] = (await blockWitness(program, never)).blocks;
    expect(witness.multipliers.slice(1)).toEqual([0, 0]);
    expect(runAtOnce(provedBlock(program, witness))).toBeCloseTo(1, 12);
    const none = { ...witness, multipliers: [0, 0, 0] };
    expect(() => runAtOnce(provedBlock(program, none))).toThrow(/a neuron that moves needs a multiplier/);
  });

  it("takes a convolution with its transpose, one multiplier for each channel", async () => {
    const [n, r, size] = [2, 3, 4];
    const source = random(5);
    const K = rounded(Array.from({ length: r * n * 9 }, () => 0.3 * source.normal()));
    // Twice over the square of a sum of absolute values: a step that is short enough.
    const step = 2 / K.reduce((sum, v) => sum + Math.abs(v), 0) ** 2;
    const pads = [1, 1, 1, 1];
    const network = functionOf([n, size, size], (x) => {
      const s = relu(conv(x, weight(x, K, [r, n, 3, 3]), { pads }));
      const scaled = rounded(K.map((v) => -step * v));
      return reshape(add(x, convTranspose(s, weight(x, scaled, [r, n, 3, 3]), { pads })), [-1, n * size * size]);
    });
    const program = readProgram(writeNetwork(network), {}, [n, size, size]);
    const [witness] = (await blockWitness(program, never)).blocks;
    expect(witness.multipliers.length).toBe(r);
    expect(blockParts(program, witness).kernel).not.toBeNull();
    expect(runAtOnce(provedBlock(program, witness))).toBeLessThan(1 + 1e-6);
    const each = witness.multipliers.flatMap((l) => new Array<number>(size * size).fill(l));
    expect(runAtOnce(provedBlock(program, { ...witness, multipliers: each }))).toBeLessThan(1 + 1e-6);
    const two = { ...witness, multipliers: witness.multipliers.slice(1) };
    expect(() => runAtOnce(provedBlock(program, two))).toThrow(/must have 3 or 48 multipliers/);
  });

  it("is worth a network of blocks: the constant stays where products of norms grow", async () => {
    const source = random(8);
    const n = 6;
    const network = functionOf([n], (x) => {
      let h = x;
      for (let k = 0; k < 6; k++) {
        const A = rounded(Array.from({ length: n * n }, () => source.normal() / Math.sqrt(n)));
        const B = rounded(Array.from(A, (_, m) => -0.3 * A[(m % n) * n + Math.floor(m / n)]));
        h = add(h, matmul(relu(matmul(h, weight(x, A, [n, n]))), weight(x, B, [n, n])));
      }
      return h;
    });
    const program = readProgram(writeNetwork(network), {}, [n]);
    const { witness } = await witnessOf(program, { norm: 2, engine, seconds: 0.1 });
    expect(witness.blocks.length).toBe(6);
    expect(runAtOnce(walk(program, 2, witness)).constant).toBeLessThan(1 + 1e-5);
  });

  it("carries the curvature of a block through those behind it", async () => {
    const source = random(4);
    const n = 3;
    // Those behind it are next to nothing: all curvature is in the first.
    const network = functionOf([n], (x) =>
      [1, 1e-3, 1e-3].reduce((h, size) => {
        const A = rounded(Array.from({ length: n * n }, () => size * source.normal()));
        const B = rounded(Array.from(A, (_, m) => -0.2 * A[(m % n) * n + Math.floor(m / n)]));
        return add(h, matmul(tanh(matmul(h, weight(x, A, [n, n]))), weight(x, B, [n, n])));
      }, x),
    );
    const program = readProgram(writeNetwork(network), {}, [n]);
    const { witness } = await witnessOf(program, { norm: 2, engine, seconds: 0.1 });
    expect(witness.blocks.length).toBe(3);
    const hessian = hessianBounds(program, runAtOnce(walk(program, 2, witness)))(0, 1);
    let steep = 0;
    for (let trial = 0; trial < 200; trial++) {
      const [x, d] = [0, 1].map(() => Array.from({ length: n }, () => source.normal()));
      const size = Math.sqrt(d.reduce((sum, v) => sum + v * v, 0));
      const at = (t: number) => {
        const out = valuesAt(
          program,
          x.map((v, k) => v + (t * d[k]) / size),
        ).get(program.output) as Float64Array;
        return out[0] - out[1];
      };
      steep = Math.max(steep, Math.abs(at(1e-3) - 2 * at(0) + at(-1e-3)) / 1e-6);
    }
    expect(steep).toBeGreaterThan(0.05);
    expect(hessian).toBeGreaterThan(steep);
    expect(hessian).toBeLessThan(30 * steep);
  });

  it("counts what float32 loses within a block", async () => {
    const n = 5;
    // Its argument goes far and comes back with few of its digits.
    const network = functionOf([n], (x) => {
      const A = Array.from({ length: n * n }, (_, k) => (k % (n + 1) === 0 ? 1 : 0));
      const by = (v: number) => broadcastTo(weight(x, new Array<number>(n).fill(v), [n]), x.shape);
      const B = A.map((v) => -0.5 * v);
      const u = add(add(matmul(x, weight(x, A, [n, n])), by(2 ** 16)), by(-(2 ** 16)));
      return add(x, matmul(relu(u), weight(x, B, [n, n])));
    });
    const bytes = writeNetwork(network);
    const data = points([n], 20, n);
    const { text, certificate } = await certificateOf(bytes, data);
    expect((await verify(text, bytes, { data })).holds).toBe(true);
    expect(certificate.witness.blocks.length).toBe(1);
    const runs = (["float32", "float64"] as const).map((dtype) => logitsOf(parseOnnx(bytes), engine, data, { dtype }));
    const [single, double] = (await Promise.all(runs)).map((run) => run.data);
    const lost = Array.from(single, (v, i) => Math.abs(v - double[i]));
    expect(Math.max(...lost)).toBeGreaterThan(1e-4);
    expect(certificate.rounding.float32).toBeGreaterThan(Math.max(...lost));
  });
});
