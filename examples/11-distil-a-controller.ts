// Distils a controller into a small one of prescribed constant, values and slopes, and proves how far the two are apart.
// Run: npx tsx examples/11-distil-a-controller.ts
import { difference, lbdn, lipschitz, mlp, random, readOnnx, sobolev, targetOf, taught, trainNetwork } from "lipschitz";
import { nodeEngine } from "lipschitz/node";

const engine = nodeEngine();
const teacher = await readOnnx(new URL("policy.onnx", import.meta.url));
const target = targetOf(teacher);
const source = random(1);
const x = Float32Array.from({ length: 3 * 400 }, () => source.uniform() - 0.5);
const states = await taught({ name: "states", task: "none", x, shape: [3], count: 400 }, target, engine);
const method = { ...sobolev({ target }), family: lbdn({ gamma: 3 }).family };
const { network } = await trainNetwork({
  engine,
  data: { train: states, test: states },
  model: mlp([3, 12, 2], { activation: "tanh" }),
  method,
  epochs: 150,
  batch: 50,
});
const { upper } = await lipschitz(network, { engine, methods: ["autolip", "lipsdp"] });
const domain = { kind: "box", low: [-0.05, -0.05, -0.05], high: [0.05, 0.05, 0.05] } as const;
const { largest, constant } = await difference(network, teacher, { engine, domain, gap: 0.3, pieces: 300 });
console.log(`constant of the student: at most ${upper?.value.toFixed(3)}`);
console.log(`actions differ by ${largest.lower.toFixed(4)} (found) to ${largest.upper.toFixed(4)} (proved)`);
console.log(`slopes by ${constant.lower.toFixed(4)} (seen) to ${constant.upper.toFixed(4)} (proved)`);
