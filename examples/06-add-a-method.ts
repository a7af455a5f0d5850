// A training method of one's own: the loss, and the mean square of the outputs, which keeps them small.
// Run: npx tsx examples/06-add-a-method.ts
import { digits, lipschitz, type Method, mlp, plain, train } from "lipschitz";
import { nodeEngine } from "lipschitz/node";
import { add, mean, mul } from "lipschitz/ops";

const squeeze = (weight: number): Method => ({
  name: "squeeze",
  objective({ x, y, forward, loss }) {
    const outputs = forward(x);
    return { loss: add(loss(outputs, y), mul(mean(mul(outputs, outputs)), weight)), outputs };
  },
});

const engine = nodeEngine();
const data = await digits();
for (const method of [plain(), squeeze(0.1)]) {
  for await (const event of train({ engine, data, model: mlp([784, 32, 10]), method, epochs: 3, seed: 1 })) {
    if (event.kind === "epoch" && event.epoch === 3) console.log(`${method.name}: accuracy ${event.testAccuracy}`);
    if (event.kind !== "end") continue;
    const { upper } = await lipschitz(event.network, { engine, methods: ["autolip"] });
    console.log(`${method.name}: constant at most ${upper?.value}`);
  }
}
