// An op of one's own, the arc tangent: one record, and training, bounds and written ONNX files know it.
// Run: npx tsx examples/05-add-an-op.ts
import { apply, dense, digits, fixed, flatten, lipschitz, type Op, sequential, train } from "lipschitz";
import { nodeEngine } from "lipschitz/node";
import { add, div, mul } from "lipschitz/ops";

const atan: Op<null> = {
  name: "Atan",
  infer: ([x]) => x,
  vjp: ({ inputs: [x] }, dy) => [div(dy, add(mul(x, x), 1))],
  // Difference quotients are in [0, 1], on every range; |f''| is at most 3 sqrt(3) / 8, rounded up. Both are believed.
  behaviour: () => ({ kind: "pointwise", slope: [0, 1], slopeOn: () => [0, 1], curvature: 0.65 }),
  evaluate: (_, [x]) => x.map(Math.atan),
  onnx: (_, build) => build.node("Atan", [build.input(0)]),
};

const engine = nodeEngine();
const bent = fixed("atan", { shape: (sample) => sample, forward: (x) => apply(atan, [x], null) });
const model = sequential([flatten(), dense(32), bent, dense(10)], "arc tangents");
for await (const event of train({ engine, data: await digits(), model, epochs: 3, seed: 1 })) {
  if (event.kind === "epoch") console.log(`epoch ${event.epoch}: test accuracy ${event.testAccuracy}`);
  if (event.kind !== "end") continue;
  const { lower, upper } = await lipschitz(event.network, { engine, seconds: 1 });
  console.log(
    `${lower?.value} <= L <= ${upper?.value} (${upper?.proved ? "proved" : "not proved"} by ${upper?.method})`,
  );
}
