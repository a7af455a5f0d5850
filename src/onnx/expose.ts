/** @file The bytes of a model with more of its values among the outputs, so that a runtime gives them; the nodes stay as they are. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ReadError } from "../tensor/errors.ts";
import { inlined } from "./inline.ts";
import { isNumeric } from "./labels.ts";
import { ModelProtoSchema, type TensorProto, TensorProto_DataLocation, ValueInfoProtoSchema } from "./proto.ts";
import { type External, externalBytes } from "./tensors.ts";

/**
 * Let a model give `values` too, by their names; weights that are stored beside it are put into it, since a runtime that is handed bytes finds no files. Outputs that are no
 * tensors of numbers are left out. A model that needs nothing of that is given back byte by byte. Throws ReadError where a file beside it is missing.
 */
export function exposed(bytes: Uint8Array, values: readonly string[], external?: External): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  const { graph } = model;
  if (!graph) throw new ReadError("there is no graph in it; is it an ONNX model?");
  const outside = graph.initializer.filter((t) => t.dataLocation === TensorProto_DataLocation.EXTERNAL);
  const kept = graph.output.filter(isNumeric);
  const given = new Set(kept.map((o) => o.name));
  const more = [...new Set(values)].filter((name) => !given.has(name));
  if (outside.length === 0 && more.length === 0 && kept.length === graph.output.length) return bytes;
  graph.output = kept;
  if (more.length > 0) {
    // Values within functions have names only where the functions are put in the place of their calls.
    graph.node = [...inlined(model)];
    model.functions = [];
  }
  for (const proto of outside) takeIn(proto, external);
  // A runtime infers the types of outputs that declare none.
  graph.output.push(...more.map((name) => create(ValueInfoProtoSchema, { name })));
  return toBinary(ModelProtoSchema, model);
}

// --- internal ---

export function takeIn(proto: TensorProto, external: External | undefined): void {
  proto.rawData = externalBytes(proto, external);
  proto.externalData = [];
  proto.dataLocation = TensorProto_DataLocation.DEFAULT;
}
