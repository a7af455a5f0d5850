// Brackets the Lipschitz constant of a network that PyTorch exported (policy.py), and shows the share of each layer.
// Run: npx tsx examples/01-bound-a-pytorch-export.ts
import { lipschitz, readOnnx } from "lipschitz";
import { nodeEngine } from "lipschitz/node";

const network = await readOnnx(new URL("policy.onnx", import.meta.url));
const { lower, upper, bounds, layers } = await lipschitz(network, { engine: nodeEngine(), norm: 2, seconds: 1 });
console.log(`${lower?.value.toFixed(3)} <= L <= ${upper?.value.toFixed(3)} (proved by ${upper?.method})`);
for (const { method, side, value } of bounds) console.log(`${method}: ${side} ${value.toFixed(3)}`);
for (const { node, upper, shareOfLog } of layers) {
  console.log(`${node}: norm ${upper.toFixed(3)}, ${(100 * shareOfLog).toFixed(1)} % of the logarithm`);
}
