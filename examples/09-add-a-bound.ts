// Adds a bound: the product of row sums of a chain, in l-infinity, from what each op says of itself. Not proved: rounding is left out.
// Run: npx tsx examples/09-add-a-bound.ts
import { apply, evaluate, full, input, lipschitz, type Node, readOnnx } from "lipschitz";
import { nodeEngine } from "lipschitz/node";

const network = await readOnnx(new URL("policy.onnx", import.meta.url));
const x = input("x", [1, 3], "float64");
const varies = (node: Node): boolean => node === x || node.inputs.some(varies);

/** What an affine op makes of a vector of zeros with a 1 at place i, if that is one. */
function at(y: Node, from: Node, i: number): Float64Array {
  const [z, feed] = [input("z", from.shape, "float64"), full(from.shape, 0, "float64")];
  if (i >= 0) feed.data[i] = 1;
  const inputs = y.inputs.map((own) => (own === from ? z : own));
  return evaluate({ y: apply(y.op, inputs, y.attrs) }, { z: feed }).y.data as Float64Array;
}
function gain(y: Node): number {
  const from = y.inputs.find(varies);
  if (!from) return 1;
  const behaviour = y.op.behaviour(y, y.inputs.map(varies));
  if (behaviour.kind === "isometry") return gain(from);
  if (behaviour.kind === "pointwise") return gain(from) * Math.max(...behaviour.slope.map(Math.abs));
  if (behaviour.kind !== "linear") throw new Error(`nothing is known here of ${y.op.name}`);
  const columns = Array.from({ length: from.shape[1] }, (_, i) => at(y, from, i).map((v, j) => v - at(y, from, -1)[j]));
  return gain(from) * Math.max(...columns[0].map((_, j) => columns.reduce((sum, c) => sum + Math.abs(c[j]), 0)));
}
const { lower, upper } = await lipschitz(network, { engine: nodeEngine(), norm: "inf" });
console.log(`${lower?.value.toFixed(3)} <= ${upper?.value.toFixed(3)} <= ${gain(network.build([x])[0]).toFixed(3)}`);
