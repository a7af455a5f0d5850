import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { tensor, toFloat64 } from "../tensor/tensor.ts";
import { readNeuralnet } from "./neuralnet.ts";

/** Two inputs, one hidden neuron of bias 0.5, an output of bias -1: as jsonlite writes nn$weights. */
const weights = [
  [
    [[0.5], [2], [-1]],
    [[-1], [3]],
  ],
];
const at = (network: Network, x: readonly number[]) => {
  const node = input("x", [1, x.length], "float64");
  const [y] = network.build([node]);
  return [...toFloat64(evaluate({ y }, { x: tensor(Float64Array.from(x), [1, x.length], "float64") }).y)];
};
const hidden = 0.5 + 2 * 0.3 - 0.7;
const logistic = (z: number) => 1 / (1 + Math.exp(-z));

describe("readNeuralnet()", () => {
  it("reads weights alone: logistic hidden neurons, a linear output", () => {
    const network = readNeuralnet(JSON.stringify(weights));
    expect(network.inputs).toEqual([{ name: "x", shape: ["batch", 2], dtype: "float32" }]);
    expect(at(network, [0.3, 0.7])[0]).toBeCloseTo(3 * logistic(hidden) - 1, 10);
  });

  it("reads the activation, an activated output, names, and the repetition that is asked for", () => {
    const other = weights[0].map((m) => m.map((row) => row.map((v) => 2 * v)));
    const json = JSON.stringify({
      weights: [...weights, other],
      "act.fct": ["tanh"],
      "linear.output": [false],
      variables: ["speed", "angle"],
      response: ["force"],
    });
    const network = readNeuralnet(json, { name: "nn.json" });
    expect(network.metadata).toEqual({ "neuralnet.variables": "speed,angle", "neuralnet.response": "force" });
    expect(at(network, [0.3, 0.7])[0]).toBeCloseTo(Math.tanh(3 * Math.tanh(hidden) - 1), 10);
    const second = readNeuralnet(json, { repetition: 2 });
    expect(at(second, [0.3, 0.7])[0]).toBeCloseTo(Math.tanh(6 * Math.tanh(2 * hidden) - 2), 10);
  });

  it("says what is wrong", () => {
    const refused = (value: unknown) => () => readNeuralnet(typeof value === "string" ? value : JSON.stringify(value));
    expect(refused("weights")).toThrow("neuralnet: is not JSON; write it by jsonlite::write_json");
    expect(refused({ spec: 1 })).toThrow(
      'neuralnet: must be an object with weights, or nn$weights alone, got {"spec":1}',
    );
    expect(refused([])).toThrow("weights must have the layers of repetition 1, got 0");
    expect(
      refused([
        [
          [[1], [2]],
          [[1], [2], [3]],
        ],
      ]),
    ).toThrow("layer 2 must have a row for its bias and 1 more, one for each input, got 3");
    expect(refused([[[[1], ["NA"]]]])).toThrow(
      'layer 1 must hold finite numbers; neuralnet leaves NA for excluded weights, got "NA"',
    );
    expect(refused([[[[1, 2], [3]]]])).toThrow("layer 1 must have rows of as many numbers, got [2,1]");
    expect(refused({ weights, "act.fct": "sine" })).toThrow(
      'act.fct must be logistic, tanh, relu, softplus, got "sine"',
    );
    expect(refused({ weights, "linear.output": "yes" })).toThrow('linear.output must be true or false, got "yes"');
  });

  it("refuses rows of different lengths, also where their numbers are as many as they should be", () => {
    const ragged = [[[[1, 2], [3, 4, 5], [6]]]];
    expect(() => readNeuralnet(JSON.stringify(ragged))).toThrow(/rows of as many numbers/);
  });
});
