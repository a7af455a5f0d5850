// Adds an op, the arc tangent. One record is enough for training, bounds and ONNX files to know it.
// Run: npx tsx examples/05-add-an-op.ts
import { apply, dense, digits, fixed, flatten, lipschitz, type Op, sequential, trainNetwork } from "lipschitz";
import { nodeEngine } from "lipschitz/node";
import { add, div, mul } from "lipschitz/ops";

const atan: Op<null> = {
  name: "Atan",
  infer: ([x]) => x,
  vjp: ({ inputs: [x] }, dy) => [div(dy, add(mul(x, x), 1))],
  // Its difference quotients lie in [0, 1], and |f''| is at most 3 sqrt(3) / 8 < 0.65. Bounds believe both.
  behaviour: () => ({ kind: "pointwise", slope: [0, 1], slopeOn: () => [0, 1], curvature: 0.65 }),
  evaluate: (_, [x]) => x.map(Math.atan),
  onnx: (_, build) => build.node("Atan", [build.input(0)]),
};

const engine = nodeEngine();
const layer = fixed("atan", { shape: (sample) => sample, forward: (x) => apply(atan, [x], null) });
const model = sequential([flatten(), dense(32), layer, dense(10)], "arc tangents");
const { network, epochs } = await trainNetwork({ engine, data: await digits(), model, epochs: 3, seed: 1 });
for (const { epoch, testAccuracy } of epochs) console.log(`epoch ${epoch}: test accuracy ${testAccuracy}`);
const { lower, upper } = await lipschitz(network, { engine, seconds: 1 });
console.log(`${lower?.value.toFixed(3)} <= L <= ${upper?.value.toFixed(3)} (proved by ${upper?.method})`);
