// Searches the smallest perturbations that change decisions, beside the radii that are proved. The truth lies between them.
// Run: npx tsx examples/04-attack.ts
import { attack, certify, deepfool, digits, mlp, pgd, shrink, take, trainNetwork } from "lipschitz";
import { nodeEngine } from "lipschitz/node";

const engine = nodeEngine();
const data = await digits();
const { network } = await trainNetwork({ engine, data, model: mlp([784, 32, 10]), epochs: 3, seed: 1 });

const question = { engine, data: take(data.test, 100), norm: 2, radii: [0.1, 0.3, 0.5] } as const;
const { certified, samples: proved } = await certify(network, { ...question, seconds: 1 });
const attacks = [pgd({ steps: 20, restarts: 2 }), deepfool(), shrink()];
const { robust, samples: found } = await attack(network, { ...question, attacks, seed: 1 });
robust.forEach(({ radius, accuracy }, i) => {
  console.log(`${radius}: ${certified[i].accuracy} certified <= truth <= ${accuracy} left by attacks`);
});
const refuted = found.filter((s, i) => s.confirmed !== null && s.confirmed <= proved[i].radius);
console.log(`attacks within a proved radius: ${refuted.length}`);
