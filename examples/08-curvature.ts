// How much two networks bend at their samples, and how much they can bend anywhere: low curvature by LCNN.
// Run: npx tsx examples/08-curvature.ts
import { curvature, curvatureBound, digits, lcnn, mlp, softplusFamily, take, train } from "lipschitz";
import { nodeEngine } from "lipschitz/node";

const engine = nodeEngine();
const data = await digits();
// A softplus with beta = 1000 is a ReLU that has a second derivative.
const standard = { name: "standard", family: softplusFamily(1000) };
for (const method of [standard, lcnn({ betaWeight: 0.01, gammaWeight: 0.1 })]) {
  for await (const event of train({ engine, data, model: mlp([784, 32, 10]), method, epochs: 3, seed: 1 })) {
    if (event.kind !== "end") continue;
    const seen = await curvature(event.network, { engine, data: take(data.test, 50), of: "loss", seed: 1 });
    const { loss } = await curvatureBound(event.network);
    console.log(`${method.name}: normalised curvature ${seen.curvature.mean}, Hessian up to ${seen.hessian.max}`);
    console.log(`${method.name}: the Hessian of the loss is nowhere above ${loss} (proved)`);
  }
}
