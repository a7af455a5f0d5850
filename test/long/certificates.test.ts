/** @file The models of every method, of every family of layers and with every activation have certificates that the checker accepts. */
import { describe, expect, it } from "vitest";
import type { Node } from "../../src/graph/graph.ts";
import { activationNames } from "../../src/layers/activation.ts";
import { batchNorm } from "../../src/layers/batchNorm.ts";
import { centeredSoftplus } from "../../src/layers/centeredSoftplus.ts";
import { dense } from "../../src/layers/dense.ts";
import { inFamily } from "../../src/layers/family.ts";
import type { Layer } from "../../src/layers/layer.ts";
import { flatten } from "../../src/layers/pool.ts";
import { sequential } from "../../src/layers/sequential.ts";
import { convnet } from "../../src/models/convnet.ts";
import { mlp } from "../../src/models/mlp.ts";
import { resnet } from "../../src/models/resnet.ts";
import { writeNetwork } from "../../src/onnx/network.ts";
import { reshape, sliceAxis } from "../../src/ops/movement.ts";
import { layerKinds, lbdn } from "../../src/train/lbdn.ts";
import { train } from "../../src/train/loop.ts";
import { buildMethod, methodNames, takesTeacher } from "../../src/train/methods.ts";
import { verify } from "../../src/verify/verify.ts";
import { bytesOf, certificateOf, engine, points } from "../certificates.ts";

const shape = [1, 6, 6];
const data = points(shape, 12, 3);
const plain = () => convnet(3, { channels: [2], hidden: 5, activation: "relu" });

/** What the checker says of the certificate that is made for a model, which must claim something. */
async function checked(bytes: Uint8Array) {
  const { text, certificate, certification } = await certificateOf(bytes, data);
  const verdict = await verify(text, bytes, { data });
  expect(verdict.checks.filter((c) => !c.holds)).toEqual([]);
  expect(verdict.checks.map((c) => c.what)).toContain("samples");
  expect(verdict.seconds).toBeGreaterThan(0);
  expect(certificate.constant.value).toBeLessThan(Number.POSITIVE_INFINITY);
  // Samples may all be decided wrong, but some margin must last for a distance.
  expect(Math.max(...certificate.samples.map((s) => s.radius))).toBeGreaterThan(0);
  certificate.samples.forEach((s, i) => {
    expect(s.radius).toBeLessThanOrEqual(certification.samples[i].radius);
  });
  return certificate;
}

const teacher = (x: Node) => sliceAxis(reshape(x, [x.shape[0], 36]), 1, 0, 3);

describe.each(methodNames)("a certificate of a model trained by %s", (name) => {
  it("is accepted", async () => {
    const split = { train: data, test: data };
    let bytes: Uint8Array | undefined;
    for await (const event of train({
      engine,
      data: split,
      model: plain(),
      method: buildMethod({ name }, takesTeacher(name) ? teacher : undefined),
      epochs: 1,
      batch: 6,
    })) {
      if (event.kind === "end") bytes = writeNetwork(event.network, { opset: 17 });
    }
    if (!bytes) throw new Error("there was no end");
    await checked(bytes);
  });
});

const lcnn = buildMethod({ name: "lcnn" }).family;
const models: readonly (readonly [string, () => Layer])[] = [
  ...activationNames.flatMap((activation): [string, () => Layer][] => [
    [`${activation} mlp`, () => mlp([36, 8, 4, 3], { activation })],
    [`${activation} convnet`, () => convnet(3, { channels: [2], hidden: 4, activation })],
  ]),
  ...layerKinds.flatMap((layer) =>
    (["bounded", "normalized"] as const).flatMap((last): [string, () => Layer][] => {
      const { family } = lbdn({ layer, last });
      const of = (model: Layer) => () => (family ? inFamily(model, family) : model);
      return [
        [`${layer} ${last} mlp`, of(mlp([36, 8, 4, 3]))],
        [`${layer} ${last} convnet`, of(plain())],
      ];
    }),
  ),
  [
    "orthogonal MaxMin convnet",
    () => inFamily(convnet(3, { channels: [2], hidden: 4, activation: "maxMin" }), orthogonal()),
  ],
  ["lcnn mlp", () => (lcnn ? inFamily(mlp([36, 8, 3]), lcnn) : plain())],
  ["batch norm convnet", () => convnet(3, { channels: [2], hidden: 4, batchNorm: true })],
  [
    "batch norm mlp",
    () => sequential([flatten(), dense(6), batchNorm(), centeredSoftplus({ kind: "fixed" }), dense(3)]),
  ],
  ["pooled convnet", () => convnet(3, { channels: [2], hidden: 4, shrink: "pool" })],
  ["silu resnet", () => resnet(3, { channels: [2], activation: "silu" })],
];

const orthogonal = () => {
  const { family } = lbdn({ layer: "orthogonal" });
  if (!family) throw new Error("it has no family");
  return family;
};

describe.each(models)("a certificate of a %s", (_, model) => {
  it("is accepted", async () => void (await checked(await bytesOf(model(), shape))));
});

describe.each(["sll", "cpl"] as const)("a certificate of a network of %s layers", (layer) => {
  it.each([
    ["mlp", "relu"],
    ["mlp", "tanh"],
    ["convnet", "relu"],
    ["convnet", "softplus"],
  ] as const)("has its prescribed constant: %s, %s", async (kind, activation) => {
    const { family } = lbdn({ layer, gamma: 3 });
    if (!family) throw new Error("it has no family");
    const model =
      kind === "mlp"
        ? mlp([36, 12, 12, 9, 8, 3], { activation })
        : convnet(3, { channels: [3], hidden: 5, activation });
    const certificate = await checked(await bytesOf(inFamily(model, family), shape));
    expect(certificate.witness.blocks.length).toBe(kind === "mlp" ? 4 : 2);
    expect(certificate.witness.chain).toBeNull();
    expect(certificate.constant.value).toBeLessThan(3 * (1 + 1e-5));
    // All that a difference of two outputs may move.
    for (const row of certificate.constant.pairs ?? []) for (const K of row) expect(K).toBeLessThan(3 * 1.41423);
  });
});
