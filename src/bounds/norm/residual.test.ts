/** @file Residual blocks as one: the constant of SLL and CPL layers is proved of the network as it is written, and only where it holds. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../../engine/node.ts";
import { flowOf } from "../../graph/behaviour.ts";
import { constant, input } from "../../graph/leaf.ts";
import type { Network } from "../../graph/network.ts";
import type { Activation } from "../../layers/activation.ts";
import { inFamily } from "../../layers/family.ts";
import { cpl, sll } from "../../layers/sll.ts";
import { singularValues } from "../../linalg/svd.ts";
import { convnet } from "../../models/convnet.ts";
import { freeze } from "../../models/freeze.ts";
import { mlp } from "../../models/mlp.ts";
import { writeNetwork } from "../../onnx/network.ts";
import { parseOnnx } from "../../onnx/read.ts";
import { add, matmul, relu } from "../../ops/index.ts";
import { random } from "../../tensor/random.ts";
import { tensor } from "../../tensor/tensor.ts";
import { lipschitz } from "../index.ts";
import { nodeNorms } from "./node.ts";
import { residualBlock } from "./residual.ts";

const engine = nodeEngine();

/** h + V relu(W h), column by column as in the papers. */
function block(W: readonly (readonly number[])[], V: readonly (readonly number[])[]) {
  const held = (rows: readonly (readonly number[])[]) =>
    constant(tensor(Float64Array.from(rows.flat()), [rows.length, rows[0].length], "float64"));
  const transposed = (rows: readonly (readonly number[])[]) => rows[0].map((_, j) => rows.map((row) => row[j]));
  const x = input("x", [1, W[0].length], "float64");
  const y = add(x, matmul(relu(matmul(x, held(transposed(W)))), held(transposed(V))));
  const flow = flowOf(x, y);
  return residualBlock(flow, nodeNorms(flow), y);
}

describe("residualBlock()", () => {
  it("proves a gradient step, and the limit of its size", () => {
    // W = 1: y = x - 2 relu(x) = -|x| is 1-Lipschitz, a longer step is not.
    expect(block([[1]], [[-2]])?.constant).toBeCloseTo(1, 6);
    expect(block([[1]], [[-1.5]])?.constant).toBeCloseTo(1, 9);
    expect(block([[1]], [[-2.1]])).toBeNull();
    // Up the slope the constant grows.
    expect(block([[1]], [[0.5]])).toBeNull();
  });

  it("is never below the slope of any pattern", () => {
    const r = random(3);
    let proved = 0;
    for (let k = 0; k < 300; k++) {
      const W = Array.from({ length: 3 }, () => [r.normal(), r.normal()]);
      const scale = W.map(() => 0.1 + r.uniform());
      const off = 0.1 * r.uniform();
      const V = [0, 1].map((c) => W.map((row, i) => -scale[i] * row[c] + off * r.normal()));
      const found = block(W, V);
      if (!found) continue;
      proved++;
      for (let pattern = 0; pattern < 8; pattern++) {
        const J = [0, 1].flatMap((a) =>
          [0, 1].map((b) =>
            W.reduce((sum, row, i) => sum + (pattern & (1 << i) ? V[a][i] * row[b] : 0), a === b ? 1 : 0),
          ),
        );
        const [norm] = singularValues({ rows: 2, cols: 2, data: Float64Array.from(J) });
        expect(norm).toBeLessThanOrEqual(found.constant * (1 + 1e-12));
      }
    }
    expect(proved).toBeGreaterThan(100);
  });
});

describe("networks of residual blocks", () => {
  const families = { sll, cpl };
  const written = async (family: "sll" | "cpl", kind: "mlp" | "convnet", activation: Activation): Promise<Network> => {
    const sample = kind === "mlp" ? [6] : [1, 8, 8];
    const plain =
      kind === "mlp" ? mlp([6, 9, 5, 3], { activation }) : convnet(3, { channels: [5, 4], hidden: 6, activation });
    const model = inFamily(plain, families[family]({ gamma: 3 }));
    const network = await freeze(engine, model, model.init(random(2), sample), sample);
    return parseOnnx(writeNetwork(network));
  };

  it.each([
    ["sll", "mlp", "relu"],
    ["cpl", "mlp", "tanh"],
    ["sll", "convnet", "relu"],
    ["cpl", "convnet", "relu"],
    ["sll", "convnet", "softplus"],
  ] as const)("have the prescribed constant, read off the file: %s, %s, %s", async (family, kind, activation) => {
    const network = await written(family, kind, activation);
    for (const methods of [["autolip"], ["lipsdp"]]) {
      const { upper } = await lipschitz(network, { engine, methods, seconds: 5 });
      expect(upper?.proved).toBe(true);
      expect(upper?.value).toBeLessThan(3 * (1 + 1e-5));
    }
    const { lower, upper } = await lipschitz(network, { engine, methods: ["autolip", "jacobian"], seconds: 0.3 });
    expect(lower?.value).toBeLessThanOrEqual(upper?.value as number);
    expect(lower?.value).toBeGreaterThan(0.3);
  });
});
