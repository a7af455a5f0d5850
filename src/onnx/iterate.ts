/** @file A graph that is run turn after turn within one run of the runtime, as ONNX's Scan: what is carried from a turn to the next never leaves the runtime. */
import { create } from "@bufbuild/protobuf";
import type { Node } from "../graph/graph.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { mapNamed, type Named, under } from "../tensor/named.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import type { Type } from "../tensor/tensor.ts";
import { AttributeProto_AttributeType, AttributeProtoSchema, GraphProtoSchema, NodeProtoSchema } from "./proto.ts";
import { graphParts, modelBytes, valueInfo } from "./write.ts";

/** A graph to be run over and over. */
export interface Iteration {
  /** What one turn computes, by name. */
  readonly outputs: Named<Node>;
  /** Which output takes the place of an input in the next turn, by the input's name: `{ w: "next/w" }`. Both are of one type. */
  readonly carried: Named<string>;
  /** Inputs that every turn is fed anew. What is neither carried nor among these is the same in all turns. */
  readonly each: readonly string[];
}

export interface IterationModel {
  /** The model takes what a turn takes, `each` of it stacked, and gives the last turn's carried outputs and all others of all turns, stacked. */
  readonly bytes: Uint8Array;
  /** What a turn takes: carried inputs, which it takes even if nothing reads them, and all others that something reads. */
  readonly inputs: Named<Type>;
  /** Those of the iteration's that something reads. */
  readonly each: readonly string[];
}

/** Scan counts its turns by what is fed for each; where nothing is, by this input, an int64 [turns] that nothing reads. */
export const counter = "turns";

/** Write an iteration. Throws UsageError where a carried output is missing or a name stands for two values, ShapeError where a carried value changes its type. */
export function writeIteration({ outputs, carried, each }: Iteration, opset: number): IterationModel {
  const asked = new Set([...Object.keys(carried), ...each]);
  const { nodes, initialisers, domains, inputs } = graphParts(under("made", outputs), {
    opset,
    called: (name) => (asked.has(name) ? turns(name) : name),
  });
  checkCarried(outputs, carried, inputs);
  const state: Named<Type> = mapNamed(carried, (output) => outputs[output]);
  const own = each.filter((name) => name in inputs && !(name in carried));
  const fed: Named<Type> = own.length > 0 ? pick(inputs, own) : { [counter]: { dtype: "int64", shape: [] } };
  const fixed = pick(
    inputs,
    Object.keys(inputs).filter((name) => !asked.has(name)),
  );
  const results = Object.keys(outputs).filter((output) => !Object.values(carried).includes(output));
  checkNames([...Object.keys(state), ...Object.keys(fed), ...Object.keys(fixed)], Object.keys(outputs));

  const one = (name: string, type: Type) => valueInfo(name, type);
  const all = (name: string, type: Type) => valueInfo(name, { dtype: type.dtype, shape: [1, ...type.shape] }, counter);
  const infos = (named: Named<Type>, info: typeof one) => Object.entries(named).map(([name, type]) => info(name, type));
  const body = create(GraphProtoSchema, {
    name: "turn",
    node: [...nodes],
    initializer: [...initialisers],
    input: [...Object.entries(state), ...Object.entries(fed)].map(([name, type]) => one(turns(name), type)),
    output: [...Object.values(carried), ...results].map((name) => one(`made/${name}`, outputs[name])),
  });
  const scan = create(NodeProtoSchema, {
    name: "Scan",
    opType: "Scan",
    input: [...Object.keys(state), ...Object.keys(fed)],
    output: [...Object.values(carried), ...results],
    attribute: [
      create(AttributeProtoSchema, { name: "body", type: AttributeProto_AttributeType.GRAPH, g: body }),
      create(AttributeProtoSchema, {
        ...{ name: "num_scan_inputs", type: AttributeProto_AttributeType.INT, i: BigInt(Object.keys(fed).length) },
      }),
    ],
  });
  const graph = create(GraphProtoSchema, {
    name: "lipschitz",
    node: [scan],
    input: [...infos(state, one), ...infos(fed, all), ...infos(fixed, one)],
    output: [...infos(pick(outputs, Object.values(carried)), one), ...infos(pick(outputs, results), all)],
  });
  const types = mapNamed({ ...inputs, ...state }, ({ dtype, shape }) => ({ dtype, shape }));
  return { bytes: modelBytes(graph, { opset, domains }), inputs: types, each: own };
}

// --- internal ---

/** What an input of the iteration is called within a turn. */
const turns = (name: string): string => `turn/${name}`;

const pick = (named: Named<Type>, names: readonly string[]): Named<Type> =>
  Object.fromEntries(names.map((name) => [name, named[name]]));

function checkCarried(outputs: Named<Node>, carried: Named<string>, inputs: Named<Type>): void {
  for (const [name, output] of Object.entries(carried)) {
    const now = outputs[output];
    if (!now) throw new UsageError(`iterate: missing output "${output}", which is carried to "${name}"`);
    const before = inputs[name];
    if (before && (before.dtype !== now.dtype || !sameShape(before.shape, now.shape))) {
      const types = [before, now].map(({ dtype, shape }) => `${dtype}${showShape(shape)}`);
      throw new ShapeError(`iterate: "${name}" must stay ${types[0]} from turn to turn, got ${types[1]}`);
    }
  }
}

function checkNames(inputs: readonly string[], outputs: readonly string[]): void {
  const all = [...inputs, ...outputs];
  const twice = all.find((name, i) => all.indexOf(name) !== i);
  if (twice !== undefined)
    throw new UsageError(`iterate: duplicate name "${twice}" among inputs and outputs; rename one`);
}
