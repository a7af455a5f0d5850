// Trains a network whose constant cannot exceed gamma, whatever its weights become, and proves it of the result.
// Run: npx tsx examples/02-train-with-a-budget.ts
import { cosine, digits, lbdn, lipschitz, mlp, multiMargin, trainNetwork } from "lipschitz";
import { nodeEngine } from "lipschitz/node";

const engine = nodeEngine();
const data = await digits();
const gamma = 2;
const how = { loss: multiMargin(0.5), schedule: cosine(1e-2), epochs: 3, batch: 64, seed: 1 };
const { network, epochs } = await trainNetwork({
  engine,
  data,
  model: mlp([784, 32, 10]),
  method: lbdn({ gamma }),
  ...how,
});
for (const { epoch, testAccuracy } of epochs) console.log(`epoch ${epoch}: test accuracy ${testAccuracy}`);

const { lower, upper } = await lipschitz(network, { engine, methods: ["lipsdp", "jacobian"], seconds: 1 });
console.log(`asked for at most ${gamma}, seen ${lower?.value.toFixed(4)}, proved ${upper?.value.toFixed(4)}`);
