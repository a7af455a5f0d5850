/** @file Networks that the R package neuralnet has fitted, from the JSON that jsonlite writes of them: dense layers, one activation, a linear or an activated output. */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { add } from "../ops/arith.ts";
import { matmul } from "../ops/matmul.ts";
import { relu, sigmoid, softplus, tanh } from "../ops/pointwise.ts";
import { ReadError } from "../tensor/errors.ts";
import { cast, type Tensor, tensor } from "../tensor/tensor.ts";

export interface NeuralnetOptions {
  /** For messages, and the name of the network. Default: "neuralnet". */
  readonly name?: string;
  /** Which of several repetitions, from 1 as in R. Default: 1. */
  readonly repetition?: number;
}

/**
 * Read a network of neuralnet. In R:
 *
 *     jsonlite::write_json(list(weights = nn$weights, act.fct = attr(nn$act.fct, "type"), linear.output = nn$linear.output,
 *                               variables = nn$model.list$variables, response = nn$model.list$response), "nn.json", digits = NA)
 *
 * `weights` holds for every repetition the matrices of its layers, of which the first row is the bias and every other one belongs to an input; without the rest, `nn$weights` alone, the activation is
 * the logistic function and the output is linear, as by default in R. Weights become float32. Throws ReadError where the JSON is not of this form.
 * Reference: Fritsch, Guenther and Wright, the R package neuralnet.
 */
export function readNeuralnet(json: string, { name = "neuralnet", repetition = 1 }: NeuralnetOptions = {}): Network {
  const fail = (rule: string, got: unknown): never => {
    const text = JSON.stringify(got) ?? "nothing";
    throw new ReadError(`${name}: ${rule}, got ${text.length > 60 ? `${text.slice(0, 60)}...` : text}`);
  };
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new ReadError(`${name}: is not JSON; write it by jsonlite::write_json(list(weights = nn$weights, ...))`);
  }
  const given = (Array.isArray(value) ? { weights: value } : value) as Readonly<Record<string, unknown>>;
  if (typeof given !== "object" || given === null || !Array.isArray(given.weights))
    return fail("must be an object with weights, or nn$weights alone", value);
  const repetitions = given.weights as readonly unknown[];
  const layers = repetitions[repetition - 1];
  if (!Array.isArray(layers))
    return fail(`weights must have the layers of repetition ${repetition}`, repetitions.length);
  const matrices = layers.map((rows, k) => matrixOf(rows, `layer ${k + 1}`, fail));
  if (matrices.length === 0) return fail("weights must have layers", layers);
  for (const [k, { rows }] of matrices.entries()) {
    const before = k === 0 ? rows - 1 : matrices[k - 1].columns;
    if (rows - 1 !== before || rows < 2)
      return fail(`layer ${k + 1} must have a row for its bias and ${before} more, one for each input`, rows);
  }
  const word = oneOf(given["act.fct"], "logistic");
  const activation = typeof word === "string" ? activations[word] : undefined;
  if (!activation) return fail(`act.fct must be ${Object.keys(activations).join(", ")}`, given["act.fct"]);
  const linear = oneOf(given["linear.output"], true);
  if (typeof linear !== "boolean") return fail("linear.output must be true or false", linear);
  const names = (key: string): string => (Array.isArray(given[key]) ? given[key].map(String).join(",") : "");
  const inputs = matrices[0].rows - 1;
  return {
    name,
    inputs: [{ name: "x", shape: ["batch", inputs], dtype: "float32" }],
    outputs: ["y"],
    metadata: {
      ...(names("variables") && { "neuralnet.variables": names("variables") }),
      ...(names("response") && { "neuralnet.response": names("response") }),
    },
    build: ([x]) => [
      matrices.reduce((z: Node, { weight, bias }, k) => {
        const like = (t: Tensor) => constant(cast(t, x.dtype));
        const y = add(matmul(z, like(weight)), like(bias));
        return k === matrices.length - 1 && linear ? y : activation(y);
      }, x),
    ],
  };
}

// --- internal ---

const activations: Readonly<Record<string, (x: Node) => Node>> = { logistic: sigmoid, tanh, relu, softplus };

interface Layer {
  readonly rows: number;
  readonly columns: number;
  /** [inputs, outputs] and [outputs]. */
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/** jsonlite writes single values as arrays of one. */
const oneOf = (value: unknown, otherwise: unknown): unknown =>
  value === undefined ? otherwise : Array.isArray(value) && value.length === 1 ? value[0] : value;

function matrixOf(value: unknown, who: string, fail: (rule: string, got: unknown) => never): Layer {
  const rows = Array.isArray(value)
    ? (value as readonly unknown[])
    : fail(`${who} must be a matrix, row by row`, value);
  const table = rows.map((row) => (Array.isArray(row) ? (row as readonly unknown[]) : [row]));
  const columns = table[0]?.length ?? 0;
  const numbers = table.flat();
  const wrong = numbers.find((v) => !(typeof v === "number" && Number.isFinite(v)));
  if (wrong !== undefined) fail(`${who} must hold finite numbers; neuralnet leaves NA for excluded weights`, wrong);
  if (columns === 0 || table.some((row) => row.length !== columns))
    fail(
      `${who} must have rows of as many numbers`,
      table.map((row) => row.length),
    );
  const all = Float32Array.from(numbers as readonly number[]);
  return {
    rows: table.length,
    columns,
    bias: tensor(all.slice(0, columns), [columns], "float32"),
    weight: tensor(all.slice(columns), [table.length - 1, columns], "float32"),
  };
}
