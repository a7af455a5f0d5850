/** @file Sandwich layers: what a chain of them is once it is frozen, and what its multipliers prove. */
import { describe, expect, it } from "vitest";
import { chainOf, normalMatrix } from "../../test/slopeChains.ts";
import { lipschitz } from "../bounds/index.ts";
import { programOfChain } from "../bounds/quadratic/ofChain.ts";
import { fromLists } from "../bounds/quadratic/start.ts";
import { storedLists } from "../bounds/quadratic/stored.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { type Node, topological } from "../graph/graph.ts";
import { input, inputsOf } from "../graph/leaf.ts";
import { convnet } from "../models/convnet.ts";
import { freeze } from "../models/freeze.ts";
import { mlp } from "../models/mlp.ts";
import { resnet } from "../models/resnet.ts";
import { writeNetwork } from "../onnx/network.ts";
import { parseOnnx } from "../onnx/read.ts";
import { retype } from "../ops/retype.ts";
import { mapNamed } from "../tensor/named.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { cast, tensor, toFloat64 } from "../tensor/tensor.ts";
import type { Activation } from "./activation.ts";
import { aol } from "./aol.ts";
import { cayleyOf, drawFree } from "./cayley.ts";
import { inFamily } from "./family.ts";
import { evalRun, type Layer } from "./layer.ts";
import { sandwich, sandwichDense } from "./sandwich.ts";
import { cpl } from "./sll.ts";

const engine = nodeEngine();

async function frozen(layer: Layer, size: number) {
  return freeze(engine, layer, layer.init(random(3), [size]), [size]);
}

const net = (activation: Activation, gamma: number) =>
  inFamily(mlp([4, 7, 5, 6, 3], { activation }), sandwich({ gamma }));

describe("cayley()", () => {
  it("makes columns that are orthonormal together", () => {
    const { direction, length } = drawFree(random(1), 5, 4);
    const { square, rest } = cayleyOf({ direction: input("d", [9, 4]), length: input("l", []) });
    const made = evaluate({ square, rest }, { d: direction, l: length });
    const rows = [...toFloat64(made.square), ...toFloat64(made.rest)];
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 4; j++) {
        let sum = 0;
        for (let r = 0; r < 9; r++) sum += rows[4 * r + i] * rows[4 * r + j];
        expect(Math.abs(sum - (i === j ? 1 : 0))).toBeLessThan(1e-6);
      }
    }
  });
});

describe("sandwich()", () => {
  it.each(["relu", "tanh"] as const)(
    "freezes to plain layers, and gamma is proved from the multipliers that it brings (%s)",
    async (activation) => {
      const network = await frozen(net(activation, 3), 4);
      const names = topological(network.build([input("input", [2, 4])])).map((node) => node.op.name);
      const act = activation === "relu" ? "Relu" : "Tanh";
      expect(new Set(names)).toEqual(
        new Set(["Input", "Constant", "MatMul", "Add", "Expand", "Reshape", act].filter((n) => names.includes(n))),
      );
      const again = parseOnnx(writeNetwork(network));
      expect(again.metadata["lipschitz.gamma"]).toBe("3");
      const { bounds } = await lipschitz(again, { engine, methods: ["autolip", "lipsdp"], seconds: 1e-3 });
      const of = (method: string) => bounds.find((b) => b.method === method)?.value as number;
      expect(of("lipsdp")).toBeLessThan(3 * (1 + 1e-3));
      expect(of("autolip")).toBeGreaterThan(3 * 1.1);
      // From anywhere else the search comes to the same.
      const search = await lipschitz({ ...again, metadata: {} }, { engine, methods: ["lipsdp"] });
      expect(search.upper?.value).toBeLessThan(3.03);
    },
  );

  it("writes convolutions that are those of training", async () => {
    const model = inFamily(convnet(3, { channels: [3, 2], hidden: 5, activation: "tanh" }), sandwich({ gamma: 2 }));
    const sample = [2, 8, 12];
    const variables = model.init(random(4), sample);
    const values = { ...variables.params, ...variables.state };
    const leaves = mapNamed(values, (t, name) => input(name, t.shape));
    const x = input("input", [3, ...sample]);
    const network = await freeze(engine, model, variables, sample);
    const [written] = retype(network.build([x]), "float64");
    const [trained] = retype([model.forward(x, model.weights(leaves, "train"), evalRun)], "float64");
    const feeds = {
      ...mapNamed(values, (t) => cast(t, "float64")),
      input: cast(normalTensor(random(5), x.shape), "float64"),
    };
    const only = (nodes: readonly Node[]) => {
      const needed = inputsOf(topological(nodes));
      return Object.fromEntries(Object.entries(feeds).filter(([name]) => needed.has(name)));
    };
    const a = toFloat64(evaluate({ y: written }, only([written])).y);
    const b = toFloat64(evaluate({ y: trained }, only([trained])).y);
    a.forEach((v, i) => {
      expect(Math.abs(v - b[i])).toBeLessThan(1e-5);
    });
    const ops = new Set(topological([written]).map((node) => node.op.name));
    expect([...ops].sort()).toEqual(expect.arrayContaining(["Concat", "Conv", "MatMul", "Tanh"]));
  });

  it("takes no multipliers at their word", async () => {
    const network = await frozen(net("relu", 3), 4);
    const metadata = { "lipschitz.multipliers": "[[1e9],[1e9],[1e9]]" };
    const options = { engine, methods: ["autolip", "lipsdp", "jacobian"], seconds: 0.1 };
    const { lower, upper } = await lipschitz({ ...network, metadata }, options);
    expect(upper?.value).toBeGreaterThanOrEqual(lower?.value as number);
    const program = programOfChain(
      chainOf([normalMatrix(random(1), 2, 2), normalMatrix(random(2), 3, 2), normalMatrix(random(3), 1, 3)]),
    );
    const read = (text: string) => {
      const lists = storedLists({ "lipschitz.multipliers": text });
      return lists && fromLists(program, lists);
    };
    for (const text of ["[[1],[0]]", "[[1],[1,2]]", "[[1]]", "{}", "[", "[[1],[null]]", "[[1],[]]"])
      expect(read(text)).toBeUndefined();
    // The end of a longer chain takes the last lists: t = 2 / lambda.
    expect(Array.from(read("[[7],[1,2],[4]]") ?? [])).toEqual([2, 1, 0.5, 0.5, 0.5]);
  });

  it("keeps psi where the activation does not scale, and learns gamma where told", () => {
    const params = (layer: Layer) => Object.keys(layer.init(random(1), [3]).params);
    expect(params(sandwichDense(2, "relu"))).toEqual(["direction", "length", "bias"]);
    expect(params(sandwichDense(2, "tanh"))).toEqual(["direction", "length", "bias", "logPsi"]);
    const learnt = inFamily(mlp([3, 2, 2]), sandwich({ gamma: 5, bound: "learnt" }));
    const variables = learnt.init(random(1), [3]).params;
    expect(Number(variables.logGamma.data[0])).toBeCloseTo(Math.log(5), 6);
    const { gamma } = learnt.weights(
      mapNamed(variables, (t, name) => input(name, t.shape)),
      "train",
    );
    expect(Number(evaluate({ gamma }, { logGamma: tensor([1], []) }).gamma.data[0])).toBeCloseTo(Math.E, 6);
  });

  it("refuses what would break the constant", () => {
    expect(() => net("gelu", 1)).toThrow(
      'sandwich: the activation must have slopes in [0, 1], got "gelu"; use one of identity, relu, leakyRelu, elu, sigmoid, tanh, softplus, hardSigmoid, softRelu',
    );
    expect(() => net("relu", 0)).toThrow("sandwich: gamma must be above 0, got 0");
    expect(() => inFamily(resnet(2), aol())).toThrow("aol: there must be no batch-norm");
    const stretched = { kernel: 3, dilation: 2 };
    expect(() => cpl().conv(2, stretched, { activation: "relu" })).toThrow("cpl: convolutions must have dilation 1");
  });
});
