// A network whose constant cannot exceed gamma, whatever its weights become; the proof is of the finished network.
// Run: npx tsx examples/02-train-with-a-budget.ts
import { cosine, digits, lbdn, lipschitz, mlp, multiMargin, train } from "lipschitz";
import { nodeEngine } from "lipschitz/node";

const engine = nodeEngine();
const data = await digits();
const gamma = 2;
const how = { method: lbdn({ gamma }), loss: multiMargin(0.5), schedule: cosine(1e-2), epochs: 3, batch: 64, seed: 1 };
for await (const event of train({ engine, data, model: mlp([784, 32, 10]), ...how })) {
  if (event.kind === "epoch") console.log(`epoch ${event.epoch}: test accuracy ${event.testAccuracy}`);
  if (event.kind !== "end") continue;
  const { lower, upper } = await lipschitz(event.network, { engine, methods: ["lipsdp", "jacobian"], seconds: 1 });
  console.log(
    `asked: at most ${gamma}; seen: ${lower?.value}; ${upper?.proved ? "proved" : "not proved"}: ${upper?.value}`,
  );
}
