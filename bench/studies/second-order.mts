/**
 * @file What curvature adds to certified radii in l2, and how far the proved curvature is from the curvature that is seen.
 * Digits, mlp 784-64-32-10, 6 epochs of Adam, one seed: `npx tsx bench/studies/second-order.mts`.
 */
import { writeFileSync } from "node:fs";
import { provedUpper } from "../../src/bounds/bound.ts";
import { lipschitz } from "../../src/bounds/index.ts";
import { certify } from "../../src/certify/evaluate.ts";
import { curvatureBound } from "../../src/curvature/bound.ts";
import { curvature } from "../../src/curvature/measure.ts";
import { digits } from "../../src/data/digits.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import type { Network } from "../../src/graph/network.ts";
import { mlp } from "../../src/models/mlp.ts";
import { train } from "../../src/train/loop.ts";
import { adam } from "../../src/train/optimizer.ts";
import { plain } from "../../src/train/plain.ts";

const engine = nodeEngine();
const data = await digits();
const rows = [];
for (const activation of ["tanh", "softplus", "gelu", "relu"] as const) {
  let network: Network | undefined;
  const model = mlp([784, 64, 32, 10], { activation });
  const options = { engine, data, model, method: plain(), optimizer: adam(), epochs: 6, batch: 64, seed: 1 };
  for await (const event of train(options)) if (event.kind === "end") network = event.network;
  if (!network) throw new Error("training ended without a network");
  const upper = provedUpper(await lipschitz(network, { engine, methods: ["autolip", "eclipse-fast", "lipsdp"] }));
  const common = {
    engine,
    data: data.test,
    radii: [0.1, 0.3, 0.5],
    local: "off" as const,
    ...(upper ? { upper } : {}),
  };
  const first = await certify(network, { ...common, order: "first" });
  const best = await certify(network, common);
  const seen = await curvature(network, { engine, data: data.test, samples: 100, of: "margin" });
  const bound = await curvatureBound(network);
  rows.push({
    activation,
    accuracy: best.accuracy,
    constant: best.constant.value,
    averageRadius: { first: first.averageRadius, best: best.averageRadius },
    certified: { first: first.certified, best: best.certified },
    ofSecondOrder: best.samples.filter((s) => s.by === "curvature").length / best.samples.length,
    marginHessian: { mean: seen.hessian.mean, max: seen.hessian.max },
    marginBound: bound.pairs ? Math.max(...bound.pairs.flat()) : null,
  });
  console.log(JSON.stringify(rows[rows.length - 1]));
}
writeFileSync(new URL("results/second-order.json", import.meta.url), `${JSON.stringify(rows, null, 2)}\n`);
