/** @file Networks whose Lipschitz constants are known: every upper bound is above, every lower bound below, and the product of norms is the printed one. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { lipschitz } from "../../src/bounds/index.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import type { Node } from "../../src/graph/graph.ts";
import { maximum, minimum } from "../../src/ops/arith.ts";
import { concat, reshape, sliceAxis } from "../../src/ops/movement.ts";
import { relu } from "../../src/ops/pointwise.ts";
import { affine, functionOf } from "../functions.ts";
import { hasShared, sharedData } from "../shared.ts";

type Rows = readonly (readonly number[])[];

interface Known {
  readonly name: string;
  readonly layers: readonly { readonly W: Rows; readonly b?: readonly number[] }[];
  readonly activation: "relu" | "maxmin";
  /** Where the exact constant was taken. */
  readonly domain: "global" | "box";
  readonly exact: Readonly<Partial<Record<"1" | "2" | "inf", number>>>;
  /** Of l2 norms. */
  readonly product: number;
}

const there = hasShared("exact");
const folder = `${sharedData}exact/`;
const engine = nodeEngine({ threads: 1 });

const table: readonly Known[] = there
  ? [
      fromJson("exlipbab_iris_relu_4-6-6-3", "relu", "global", { "2": 11.6343551341 }, 17.082),
      fromJson("exlipbab_wine_relu_11-12-12-1", "relu", "global", { "2": 1.74336999671 }, 5.8616),
      fromJson("exlipbab_wine_maxmin_11-12-12-1", "maxmin", "global", { "2": 2.78830616147 }, 3.7836),
      fromJson(
        "lipbab_iris_4-5-5-3",
        "relu",
        "box",
        { "1": 5.95804891239, "2": 6.7714545134, inf: 12.6050855814 },
        7.6757,
      ),
      // What an SDP solver printed lies above the constant; the product is what counts here.
      { ...common("lipsdp_random_weights", fromMat("lipsdp_random_weights.mat"), 43.305573718802584), exact: {} },
    ]
  : [];

describe.skipIf(!there)("lipschitz() on networks with known constants", () => {
  describe.each(table)("$name", ({ layers, activation, domain, exact, product }) => {
    const network = functionOf([layers[0].W[0].length], (x) =>
      layers.reduce((y, { W, b }, i) => affine(i === 0 ? y : activation === "relu" ? relu(y) : maxMin(y), W, b), x),
    );

    it.each(["1", "2", "inf"] as const)("brackets the constant in l%s", async (norm) => {
      const { lower, upper } = await lipschitz(network, { engine, norm });
      if (!lower || !upper) throw new Error("a side is missing");
      expect(upper.proved).toBe(true);
      expect(lower.value).toBeLessThanOrEqual(upper.value);
      const known = exact[norm];
      // The files are float64, the networks float32.
      if (known === undefined) return;
      expect(upper.value).toBeGreaterThanOrEqual(known * (1 - 1e-6));
      if (domain === "global") {
        expect(lower.value).toBeLessThanOrEqual(known * (1 + 1e-6));
        expect(lower.value).toBeGreaterThan(0.6 * known);
      }
    });

    it("multiplies the norms of the layers", async () => {
      const { upper } = await lipschitz(network, { engine, methods: ["autolip"] });
      if (activation === "relu") expect((upper?.value ?? 0) / product).toBeCloseTo(1, 4);
      else expect(upper?.value).toBeGreaterThanOrEqual(product * (1 - 1e-4));
    });
  });

  it("has read all files", () => {
    expect(existsSync(folder)).toBe(true);
    expect(table.map((t) => t.layers.length)).toEqual([3, 3, 3, 3, 4]);
  });
});

// --- internal ---

/** Pairs side by side, the smaller first. */
function maxMin(x: Node): Node {
  const [batch, width] = x.shape;
  const pairs = reshape(x, [batch, width / 2, 2]);
  const [a, b] = [sliceAxis(pairs, 2, 0, 1), sliceAxis(pairs, 2, 1, 2)];
  return reshape(concat([minimum(a, b), maximum(a, b)], 2), [batch, width]);
}

function common(name: string, layers: Known["layers"], product: number) {
  return { name, layers, product, activation: "relu", domain: "global" } as const;
}

function fromJson(
  name: string,
  activation: Known["activation"],
  domain: Known["domain"],
  exact: Known["exact"],
  product: number,
): Known {
  const { layers } = JSON.parse(readFileSync(`${folder}${name}.json`, "utf8")) as Pick<Known, "layers">;
  return { name, layers, activation, domain, exact, product };
}

/** The matrices in an uncompressed MATLAB 5 file, in order. */
function fromMat(file: string): Known["layers"] {
  const bytes = readFileSync(folder + file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: { W: number[][] }[] = [];
  let dims: number[] = [];
  const walk = (from: number, to: number) => {
    for (let at = from; at < to; ) {
      const small = view.getUint16(at + 2, true) !== 0;
      const type = small ? view.getUint16(at, true) : view.getUint32(at, true);
      const size = small ? view.getUint16(at + 2, true) : view.getUint32(at + 4, true);
      const data = at + (small ? 4 : 8);
      if (type === 14) walk(data, data + size);
      // 5: int32, the dimensions (class and flags are type 6, names type 1); 9: float64, by columns.
      if (type === 5) dims = [view.getInt32(data, true), view.getInt32(data + 4, true)];
      if (type === 9) {
        const [rows, cols] = dims;
        const entry = (i: number, j: number) => view.getFloat64(data + 8 * (j * rows + i), true);
        found.push({ W: Array.from({ length: rows }, (_, i) => Array.from({ length: cols }, (__, j) => entry(i, j))) });
      }
      at = small ? at + 8 : data + 8 * Math.ceil(size / 8);
    }
  };
  walk(128, bytes.length);
  return found;
}
