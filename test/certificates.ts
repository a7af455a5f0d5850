/** @file Small networks with their data and certificates, for tests of the checker. */
import { makeCertificate } from "../src/certify/certificate.ts";
import type { Dataset } from "../src/data/dataset.ts";
import type { Preprocessing } from "../src/data/preprocess.ts";
import { nodeEngine } from "../src/engine/node.ts";
import type { Layer } from "../src/layers/layer.ts";
import { freeze } from "../src/models/freeze.ts";
import { withPreprocessing } from "../src/models/preprocess.ts";
import { writeNetwork } from "../src/onnx/network.ts";
import { parseOnnx } from "../src/onnx/read.ts";
import { random } from "../src/tensor/random.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";

export const engine = nodeEngine({ threads: 1 });

/** Samples in [0, 1] with random labels. */
export function points(shape: Shape, count: number, classes: number, seed = 1): Dataset {
  const source = random(seed);
  return {
    name: "points",
    task: "classification",
    x: Float32Array.from({ length: count * sizeOf(shape) }, () => source.uniform()),
    shape,
    count,
    labels: Int32Array.from({ length: count }, () => source.integer(classes)),
    targets: new Float32Array(0),
    classes,
  };
}

/** A layer with random weights as the bytes of a model. */
export async function bytesOf(layer: Layer, sample: Shape, seed = 1): Promise<Uint8Array> {
  const network = await freeze(engine, layer, layer.init(random(seed), sample), sample);
  return writeNetwork(network, { opset: 17 });
}

/** A certificate for a model; radii by the linear walk, which takes longer, where they are asked for. */
export async function certificateOf(
  bytes: Uint8Array,
  data: Dataset,
  options: {
    readonly norm?: 1 | 2 | "inf";
    readonly preprocessing?: Preprocessing;
    readonly seconds?: number;
    readonly local?: "on" | "off";
  } = {},
) {
  const { preprocessing = {}, norm = 2, seconds = 0.1, local = "off" } = options;
  const network = withPreprocessing(parseOnnx(bytes), preprocessing, data.shape);
  const made = await makeCertificate(network, {
    engine,
    data,
    bytes,
    norm,
    preprocessing,
    model: "model.onnx",
    radii: [0.001, 0.01, 0.1],
    tool: { name: "lipschitz", version: "0" },
    seconds,
    local,
  });
  if ("unverifiable" in made.certificate) throw new Error(made.certificate.unverifiable);
  const { certification, certificate } = made;
  return { certification, certificate, text: JSON.stringify(certificate) };
}
