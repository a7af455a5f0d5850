// Measures the curvature of two networks at samples, and proves bounds of their Hessians. LCNN trains low curvature.
// Run: npx tsx examples/08-curvature.ts
import { curvature, curvatureBound, digits, lcnn, mlp, softplusFamily, take, trainNetwork } from "lipschitz";
import { nodeEngine } from "lipschitz/node";

const engine = nodeEngine();
const data = await digits();
// A softplus with beta = 1000 is a ReLU that has a second derivative.
const standard = { name: "standard", family: softplusFamily(1000) };
for (const method of [standard, lcnn({ betaWeight: 0.01, gammaWeight: 0.1 })]) {
  const { network } = await trainNetwork({ engine, data, model: mlp([784, 32, 10]), method, epochs: 3, seed: 1 });
  const seen = await curvature(network, { engine, data: take(data.test, 50), of: "loss", seed: 1 });
  const { loss } = await curvatureBound(network);
  console.log(`${method.name}: normalised curvature ${seen.curvature.mean.toFixed(2)} in the mean`);
  console.log(
    `${method.name}: Hessian up to ${seen.hessian.max.toFixed(2)} seen, nowhere above ${loss?.toFixed(2)} (proved)`,
  );
}
