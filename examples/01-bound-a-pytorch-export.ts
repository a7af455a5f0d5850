// Between what the constant of a network lies that PyTorch exported (policy.py), and which layer is to blame.
// Run: npx tsx examples/01-bound-a-pytorch-export.ts
import { lipschitz, readOnnx } from "lipschitz";
import { nodeEngine } from "lipschitz/node";

const network = await readOnnx(new URL("policy.onnx", import.meta.url));
const { lower, upper, bounds, layers } = await lipschitz(network, { engine: nodeEngine(), norm: 2, seconds: 1 });
console.log(`${lower?.value} <= L <= ${upper?.value} (${upper?.proved ? "proved" : "not proved"} by ${upper?.method})`);
for (const { method, side, value } of bounds) console.log(`${method}: ${side} ${value.toFixed(3)}`);
for (const layer of layers) console.log(`${layer.node}: norm ${layer.upper.toFixed(3)}, share ${layer.shareOfLog}`);
