/** @file What a model gives that are no tensors of numbers: labels that are words, and lists of maps from labels to numbers. Their numbers are what is read. */
import { ReadError } from "../tensor/errors.ts";
import { type GraphProto, TensorProto_DataType as T, type ValueInfoProto } from "./proto.ts";
import { shown } from "./wording.ts";

/** The outputs of a graph that are numbers, by the names of their values: of maps (ZipMap) what they are made of, words left out. ReadError where none is left. */
export function numericOutputs(graph: GraphProto): readonly string[] {
  const maps = new Map(
    graph.node.filter((n) => n.opType === "ZipMap" && n.domain === "ai.onnx.ml").map((n) => [n.output[0], n.input[0]]),
  );
  const names = graph.output.flatMap((o) => (isWord(o) ? [] : [maps.get(o.name) ?? o.name]));
  if (names.length === 0 && graph.output.length > 0)
    throw new ReadError(`its output "${shown(graph.output[0].name)}" gives words, and there is no other`);
  return [...new Set(names)];
}

/** Is an output a tensor of numbers, which a runtime gives as one? */
export const isNumeric = (o: ValueInfoProto): boolean =>
  !isWord(o) && (o.type?.value.case === undefined || o.type.value.case === "tensorType");

// --- internal ---

const isWord = (o: ValueInfoProto): boolean =>
  o.type?.value.case === "tensorType" && o.type.value.value.elemType === T.STRING;
