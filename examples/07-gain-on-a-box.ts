// Brackets how fast a controller's action can change with its state: everywhere, and in the states that occur.
// Run: npx tsx examples/07-gain-on-a-box.ts
import { lipschitz, readOnnx } from "lipschitz";
import { nodeEngine } from "lipschitz/node";

const engine = nodeEngine();
const controller = await readOnnx(new URL("policy.onnx", import.meta.url));
const box = { kind: "box", low: [0.5, 0, -1], high: [1, 0.5, -0.5] } as const;
for (const domain of [{ kind: "global" } as const, box]) {
  for (const norm of [2, "inf"] as const) {
    const { lower, upper } = await lipschitz(controller, { engine, norm, domain, seconds: 0.5, seed: 1 });
    const gain = `gain between ${lower?.value.toFixed(3)} (seen) and ${upper?.value.toFixed(3)} (proved by ${upper?.method})`;
    console.log(`${domain.kind}, l${norm}: ${gain}`);
  }
}
