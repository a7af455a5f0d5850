import { beforeAll, describe, expect, it } from "vitest";
import { bytesOf, certificateOf, engine, points } from "../../test/certificates.ts";
import { certify, logitsOf } from "../certify/evaluate.ts";
import type { Activation } from "../layers/activation.ts";
import { inFamily } from "../layers/family.ts";
import type { Layer } from "../layers/layer.ts";
import { cpl, sll } from "../layers/sll.ts";
import { convnet } from "../models/convnet.ts";
import { withPreprocessing } from "../models/preprocess.ts";
import { buildModel, type ModelSpec } from "../models/spec.ts";
import { parseOnnx } from "../onnx/read.ts";
import { digestOf } from "./certificate.ts";
import { runOn } from "./proof/run.ts";
import { runAtOnce } from "./task.ts";
import { readProgram, verify } from "./verify.ts";

const spec = (kind: ModelSpec["kind"], widths: readonly number[], activation: Activation = "relu") =>
  buildModel({ kind, widths, activation }, [1, 6, 6], 4);

const models: readonly (readonly [string, Layer])[] = [
  ["mlp", spec("mlp", [12, 8])],
  ["leaky mlp", spec("mlp", [10, 7], "leakyRelu")],
  ["tanh mlp", spec("mlp", [9], "tanh")],
  ["softplus mlp", spec("mlp", [9], "softplus")],
  ["linear map", spec("mlp", [])],
  ["convnet", spec("convnet", [3, 4])],
  ["convnet with pools", convnet(4, { channels: [2, 3], hidden: 8, shrink: "pool" })],
  ["resnet", spec("resnet", [2, 3])],
  ["elu resnet", spec("resnet", [2], "elu")],
  ["sll mlp", inFamily(spec("mlp", [12, 12, 9, 8]), sll({ gamma: 2 }))],
  ["cpl convnet", inFamily(convnet(4, { channels: [3], hidden: 8 }), cpl())],
];
const shape = [1, 6, 6];
const data = points(shape, 10, 4);

describe.each(models)("verify() of a certificate of a %s", (name, layer) => {
  let bytes: Uint8Array;
  beforeAll(async () => {
    bytes = await bytesOf(layer, shape);
  });

  it.each(name === "mlp" || name === "resnet" ? ([1, 2, "inf"] as const) : ([2] as const))(
    "accepts what certify claims: l%s",
    async (norm) => {
      const { text, certificate } = await certificateOf(bytes, data, { norm, local: "on" });
      const verdict = await verify(text, bytes, { data });
      expect(verdict.checks.filter((c) => !c.holds)).toEqual([]);
      expect(verdict.holds).toBe(true);
      expect(verdict.checks.map((c) => c.what)).toContain("samples");
      // The weaker of two computations is close to either.
      const own = await certify(parseOnnx(bytes), { engine, data, norm, local: "off" });
      expect(certificate.constant.value).toBeLessThanOrEqual(own.constant.value * (1 + 1e-6));
      expect(certificate.samples.every((s, i) => Math.abs(s.margin - own.samples[i].margin) < 1e-9)).toBe(true);
      expect((await verify(text, bytes)).holds).toBe(true);
    },
  );

  it("accepts preprocessing and no other, and runs the model as the engine does", async () => {
    const preprocessing = { scale: 2, mean: [0.3], std: [0.7] };
    const { text, certificate } = await certificateOf(bytes, data, { preprocessing });
    expect((await verify(text, bytes, { data })).holds).toBe(true);
    const { digest: _, ...rest } = { ...certificate, preprocessing: { ...preprocessing, scale: 2.5 } };
    const other = JSON.stringify({ ...rest, digest: await digestOf(rest) });
    expect((await verify(other, bytes, { data })).holds).toBe(false);

    const program = readProgram(bytes, preprocessing, shape);
    const ours = runAtOnce(runOn(program, data.x)).outputs;
    const network = withPreprocessing(parseOnnx(bytes), preprocessing, shape);
    const theirs = await logitsOf(network, engine, data, { dtype: "float64" });
    ours.forEach((v, i) => {
      expect(Math.abs(v - theirs.data[i])).toBeLessThan(1e-10);
    });
    // The float32 run is within what the certificate allows for, and not by a hair.
    const single = await logitsOf(network, engine, data);
    ours.forEach((v, i) => {
      expect(Math.abs(v - single.data[i])).toBeLessThan(certificate.rounding.float32);
    });
  });
});

describe("verify()", () => {
  it("says which check failed", async () => {
    const bytes = await bytesOf(spec("mlp", [5]), shape);
    const { text } = await certificateOf(bytes, data);
    const { holds, checks } = await verify(text, bytes.slice(0, -1), { data });
    expect(holds).toBe(false);
    expect(checks[checks.length - 1]).toMatchObject({ what: "model hash", holds: false });
    expect(checks[checks.length - 1].detail).toContain("sha256");
  });

  it("refuses what is no certificate", async () => {
    for (const text of ["", "{", "[]", "null", "{}", '{"unverifiable":"Erf"}']) {
      expect((await verify(text, new Uint8Array(0))).holds).toBe(false);
    }
  });

  it("never calls two inputs within a radius different, in float32", async () => {
    const bytes = await bytesOf(spec("mlp", [12, 8]), shape);
    const { certificate } = await certificateOf(bytes, data);
    const x = data.x.slice();
    for (let trial = 0; trial < 20; trial++) {
      for (let i = 0; i < data.count; i++) {
        const at = i * 36;
        const step = Array.from({ length: 36 }, (_, k) => Math.sin((trial + 1) * (k + 1) * 12.9898 + i));
        const length = Math.sqrt(step.reduce((s, v) => s + v * v, 0));
        step.forEach((v, k) => {
          x[at + k] = data.x[at + k] + (0.999 * certificate.samples[i].radius * v) / length;
        });
      }
      const { data: logits } = await logitsOf(parseOnnx(bytes), engine, { ...data, x });
      certificate.samples.forEach(({ predicted, radius }, i) => {
        const row = Array.from(logits.subarray(4 * i, 4 * i + 4));
        if (radius > 0) expect(row.indexOf(Math.max(...row))).toBe(predicted);
      });
    }
  });

  it("says of bands and of ranges that they are no certificates, and nothing against them", async () => {
    for (const other of [
      { sha256: "", bands: [] },
      { sha256: "", transforms: [], samples: [] },
    ]) {
      const { outcome, checks } = await verify(JSON.stringify(other), new Uint8Array(0));
      expect([outcome, checks[0].detail]).toEqual([
        "cannot be checked",
        expect.stringContaining("it is no certificate"),
      ]);
    }
  });
});
