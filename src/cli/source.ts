/** @file The file of a model as a command line names it: ONNX, or JSON of the R package neuralnet. */
import { type ModelSource, modelAt } from "../onnx/file.ts";
import { writeNetwork } from "../onnx/network.ts";
import { readNeuralnet } from "../onnx/neuralnet.ts";

/** The bytes of a model; of JSON those of the ONNX model that `readNeuralnet` makes of it. Throws ReadError. */
export async function sourceAt(path: string): Promise<ModelSource> {
  const source = await modelAt(path);
  // An ONNX file begins with the key of a field.
  const first = source.bytes.find((byte) => byte > 32);
  if (first !== 0x7b && first !== 0x5b) return source;
  return { bytes: writeNetwork(readNeuralnet(new TextDecoder().decode(source.bytes), { name: path })), name: path };
}
