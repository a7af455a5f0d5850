// Adds a training method: the loss, and the mean square of the outputs, which keeps them small.
// Run: npx tsx examples/06-add-a-method.ts
import { digits, lipschitz, type Method, mlp, plain, trainNetwork } from "lipschitz";
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
  const { network, epochs } = await trainNetwork({
    engine,
    data,
    model: mlp([784, 32, 10]),
    method,
    epochs: 3,
    seed: 1,
  });
  const { upper } = await lipschitz(network, { engine, methods: ["autolip"] });
  console.log(`${method.name}: accuracy ${epochs.at(-1)?.testAccuracy}, constant at most ${upper?.value.toFixed(3)}`);
}
