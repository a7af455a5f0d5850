/** @file What somebody would do to a model who wants a false certificate accepted: every forgery is refused by the check that it is meant to pass, in one line. */
import { create, toBinary } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, it } from "vitest";
import { logitsOf } from "../../src/certify/evaluate.ts";
import {
  AttributeProtoSchema,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from "../../src/onnx/proto.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import type { Certificate } from "../../src/verify/certificate.ts";
import { certificateOf, engine } from "../certificates.ts";
import { claimed, type Draft, edited, honest, type Original, recount, refused, rehashed } from "../forgeries.ts";

let original: Original;

beforeAll(async () => {
  original = await honest();
});

const models: Readonly<Record<string, readonly [(model: ModelProto, graph: GraphProto) => void, RegExp]>> = {
  "two nodes of one name": [
    (_, g) => {
      g.node[1].name = g.node[0].name;
    },
    /two nodes are named/,
  ],
  "a tensor that is made twice": [
    (_, g) => void g.node.push(node("Relu", [g.node[0].output[0]], g.node[0].output[0])),
    /is there already/,
  ],
  "a constant under a tensor's name": [
    (_, g) => void g.initializer.push(tensor(g.node[1].output[0], [7], 1)),
    /is there already/,
  ],
  "a constant under the input's name": [
    (_, g) => void g.initializer.push(tensor("input", [1, 5], 1)),
    /a constant of another type or shape/,
  ],
  "a constant instead of the input": [
    (_, g) => {
      g.initializer.push(tensor("input", [1, 5], 1));
      g.input[0].type = create(ValueInfoProtoSchema, port("input", [1, 5])).type;
    },
    /one input and one output/,
  ],
  "two constants of one name": [
    (_, g) => void g.initializer.push(tensor(weights(g).name, weights(g).dims.map(Number), 0)),
    /two constants are named/,
  ],
  "two inputs of one name": [(_, g) => void g.input.push(g.input[0]), /one input and one output/],
  "another output": [(_, g) => void g.output.push(create(ValueInfoProtoSchema, port("add", [1, 7]))), /one output/],
  "a node that leads nowhere": [(_, g) => void g.node.push(node("Relu", ["input"], "aside")), /leads nowhere/],
  "nodes in another order": [(_, g) => void g.node.reverse(), /is not there/],
  "numbers in another file": [
    (_, g) => {
      weights(g).dataLocation = 1;
      weights(g).externalData = [];
    },
    /kept elsewhere/,
  ],
  "numbers of a second kind": [
    (_, g) => {
      weights(g).floatData = [1];
    },
    /there twice/,
  ],
  "numbers of a second type": [
    (_, g) => {
      weights(g).int64Data = [1n];
    },
    /not where its type says/,
  ],
  "float64 weights": [
    (_, g) => {
      weights(g).dataType = 11;
    },
    /must have \d+ bytes/,
  ],
  "float16 weights": [
    (_, g) => {
      weights(g).dataType = 10;
    },
    /must have \d+ bytes/,
  ],
  "int64 weights": [
    (_, g) => {
      const w = weights(g);
      w.dataType = 7;
      w.rawData = new Uint8Array(2 * w.rawData.length);
    },
    /must be a constant of floating-point numbers/,
  ],
  "a float32 shape": [
    (_, g) => {
      g.initializer.push(tensor("shape", [2], 1));
      inFront(g, [node("Reshape", ["input", "shape"], "x")]);
    },
    /must be a constant of type int64/,
  ],
  "a float64 input": [
    (_, g) => {
      const { type } = g.input[0];
      if (type?.value.case === "tensorType") type.value.value.elemType = 11;
    },
    /must have one size, got float64 and float32/,
  ],
  "weights that are not a number": [(_, g) => spoil(g, Number.NaN), /not finite/],
  "infinite weights": [(_, g) => spoil(g, Number.NEGATIVE_INFINITY), /not finite/],
  "fewer weights than there must be": [
    (_, g) => {
      weights(g).rawData = weights(g).rawData.slice(4);
    },
    /must have 140 bytes/,
  ],
  "a negative dimension": [
    (_, g) => {
      weights(g).dims = [-5n, -7n];
    },
    /not possible/,
  ],
  "a huge dimension": [
    (_, g) => {
      weights(g).dims = [2n ** 31n, 2n ** 31n];
    },
    /not possible/,
  ],
  "an attribute that nothing has": [
    (_, g) => void g.node[1].attribute.push(integer("axis", 1n)),
    /attribute axis is not known/,
  ],
  "an attribute twice": [
    (_, g) => {
      g.node[1] = node("Gemm", g.node[1].input, g.node[1].output[0]);
      g.node[1].attribute.push(integer("transB", 0n), integer("transB", 1n));
    },
    /there twice/,
  ],
  "an attribute with two values": [
    (_, g) => {
      g.node[1] = node("Gemm", g.node[1].input, g.node[1].output[0]);
      g.node[1].attribute.push(create(AttributeProtoSchema, { name: "alpha", type: 1, f: 1, ints: [2n] }));
    },
    /two values/,
  ],
  "an attribute of another type": [
    (_, g) => {
      g.node[1] = node("Gemm", g.node[1].input, g.node[1].output[0]);
      g.node[1].attribute.push(create(AttributeProtoSchema, { name: "alpha", type: 2, f: 1 }));
    },
    /does not have the type/,
  ],
  "a reference to an attribute": [
    (_, g) =>
      void g.node[1].attribute.push(create(AttributeProtoSchema, { name: "alpha", type: 1, refAttrName: "beta" })),
    /field 21 is not known/,
  ],
  "another set of operators": [
    (m) => void m.opsetImport.push(create(OperatorSetIdProtoSchema, { domain: "custom", version: 1n })),
    /operators of "custom"/,
  ],
  "two sets of operators": [
    (m) => void m.opsetImport.push(create(OperatorSetIdProtoSchema, { domain: "ai.onnx", version: 9n })),
    /operator set twice/,
  ],
  "operators of the future": [
    (m) => {
      m.opsetImport[0].version = 99n;
    },
    /operator sets 7 to 26/,
  ],
  "operators of the past": [
    (m) => {
      m.opsetImport[0].version = 1n;
    },
    /operator sets 7 to 26/,
  ],
  "no set of operators": [(m) => void m.opsetImport.splice(0), /no operator set/],
  "an operator of another domain": [
    (_, g) => {
      g.node[1].domain = "custom";
    },
    /domain "custom"/,
  ],
  "an operator of a second kind": [
    (_, g) => {
      g.node[1].overload = "fast";
    },
    /it calls a function/,
  ],
  "a function that is steep": [
    (_, g) => inFront(g, [node("Sqrt", ["input"], "x")]),
    /\(Sqrt\): the operator is not known/,
  ],
  "a function whose slope has no end": [
    (_, g) => inFront(g, [node("Mul", ["input", "input"], "x")]),
    /must multiply with/,
  ],
  "a slope that is too large": [
    (_, g) => {
      const steep = node("LeakyRelu", ["input"], "x");
      steep.attribute.push(create(AttributeProtoSchema, { name: "alpha", type: 1, f: 1e6 }));
      inFront(g, [steep]);
    },
    /settings are not known/,
  ],
  "a gate that is none": [
    (_, g) => inFront(g, [node("Tanh", ["input"], "t"), node("Mul", ["input", "t"], "x")]),
    /must multiply with/,
  ],
  "a gate of something else": [
    (_, g) => {
      g.initializer.push(tensor("one", [1], 1));
      inFront(g, [
        node("Add", ["input", "one"], "shifted"),
        node("Sigmoid", ["shifted"], "s"),
        node("Mul", ["input", "s"], "x"),
      ]);
    },
    /must multiply with/,
  ],
  "a gate turned around": [
    (_, g) => inFront(g, [node("Neg", ["input"], "n"), node("Sigmoid", ["n"], "s"), node("Mul", ["input", "s"], "x")]),
    /must multiply with/,
  ],
  "a gate that float32 loses": [
    (_, g) => {
      g.initializer.push(tensor("far", [1], 2 ** 40));
      inFront(g, [
        node("Sigmoid", ["input"], "s"),
        node("Add", ["s", "far"], "t"),
        node("Sub", ["t", "far"], "u"),
        node("Mul", ["input", "u"], "x"),
      ]);
    },
    /must multiply with/,
  ],
  "a factor that no float32 can stand": [
    (_, g) => {
      const gemm = g.node.findIndex((n) => n.opType === "MatMul");
      const { input, output } = g.node[gemm];
      g.node[gemm] = node("Gemm", input, output[0]);
      g.node[gemm].attribute.push(create(AttributeProtoSchema, { name: "alpha", type: 1, f: 1e-38 }));
    },
    /alpha and beta/,
  ],
  "a division by next to nothing": [
    (_, g) => {
      g.initializer.push(tensor("tiny", [1], 1e-45));
      inFront(g, [node("Div", ["input", "tiny"], "x")]);
    },
    /divides by/,
  ],
  "padding without end": [
    (_, g) => {
      const pads = new BigInt64Array([0n, 0n, 0n, 2n ** 40n]);
      g.initializer.push(
        create(TensorProtoSchema, { name: "pads", dataType: 7, dims: [4n], rawData: new Uint8Array(pads.buffer) }),
      );
      inFront(g, [node("Pad", ["input", "pads"], "x")]);
    },
    /too large/,
  ],
  "padding with what is there": [
    (_, g) => {
      const pad = node("Pad", ["input"], "x");
      pad.attribute.push(
        create(AttributeProtoSchema, { name: "mode", type: 3, s: new TextEncoder().encode("mirror") }),
        create(AttributeProtoSchema, { name: "pads", type: 7, ints: [0n, 1n, 0n, 0n] }),
      );
      inFront(g, [pad]);
    },
    /mode must be constant, edge, reflect or wrap, got mirror/,
  ],
  "a branch": [(_, g) => inFront(g, [node("If", ["input"], "x")]), /\(If\): the operator is not known/],
  training: [
    (_, g) => {
      g.initializer.push(tensor("ratio", [], 0.5), tensor("training", [], 1));
      inFront(g, [node("Dropout", ["input", "ratio", "training"], "x")]);
    },
    /training must be left out/,
  ],
};

describe("verify() of a forged model", () => {
  it.each(Object.entries(models))("refuses %s", async (_, [forge, why]) => {
    const forgery = await edited(original, (model) => {
      if (!model.graph) throw new Error("there is no graph");
      forge(model, model.graph);
    });
    await refused(forgery, "model", why);
  });

  it("refuses bytes behind the model: a second graph, an unknown field, half a field", async () => {
    const { bytes } = original;
    const behind = (...more: readonly number[]) => rehashed(original, Uint8Array.from([...bytes, ...more]));
    const other = toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph: { name: "other" } }));
    await refused(await behind(...other), "model", /field 7 of a message is there twice/);
    await refused(await behind(0xf8, 0x06, 0x01), "model", /field 111 is not known/);
    await refused(await behind(0x72, 0x7f), "model", /longer than its message/);
    await refused(await behind(0x80), "model", /ends inside a number/);
  });

  it("refuses weights that are not those of the certificate: all doubled, one changed, one sign", async () => {
    const scaled = (f: (v: number, i: number) => number) =>
      edited(original, ({ graph }) => {
        if (!graph) return;
        const { rawData } = weights(graph);
        const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
        for (let i = 0; i < rawData.length / 4; i++) view.setFloat32(4 * i, f(view.getFloat32(4 * i, true), i), true);
      });
    await refused(await scaled((v) => 2 * v), "constant", /not proved to be at most/);
    await refused(await scaled((v, i) => (i === 3 ? v + 1 : v)), "constant", /not proved|do not prove/);
    // The norms stay: it is the outputs that are others.
    await refused(await scaled((v) => -v), "samples", /margin|class/);
  });

  it("refuses a float32 run that errs by more than the margins: what was far away is lost", async () => {
    const lossy = await edited(original, ({ graph }) => {
      if (!graph) return;
      graph.initializer.push(tensor("far", [1], 2 ** 27));
      inFront(graph, [node("Add", ["input", "far"], "there"), node("Sub", ["there", "far"], "x")]);
    });
    // In float64 nothing has changed; in float32 all samples have become one.
    const network = parseOnnx(lossy.bytes);
    const rows = async (dtype: "float32" | "float64") => (await logitsOf(network, engine, lossy.data, { dtype })).data;
    const [single, double] = [await rows("float32"), await rows("float64")];
    expect(double.slice(0, 3)).not.toEqual(double.slice(3, 6));
    expect(single.slice(0, 3)).toEqual(single.slice(3, 6));
    await refused(lossy, "rounding", /is possible/);
    // An honest certificate claims no radius; a greedy one is found out by its rounding, or by its samples.
    const { certificate } = await certificateOf(lossy.bytes, lossy.data);
    expect(certificate.samples.every((s) => s.radius === 0)).toBe(true);
    const radii = (claims: Draft<Certificate>) => {
      claims.samples.forEach((s, i) => {
        s.radius = original.certificate.samples[i].radius;
      });
      claims.rounding.float32 *= 2;
      recount(claims);
    };
    const text = JSON.stringify(certificate);
    const greedy = await claimed({ ...lossy, text }, radii);
    await refused(greedy, "samples", /is too far/);
    const blind = await claimed(greedy, (c) => {
      radii(c);
      c.rounding.float32 = original.certificate.rounding.float32;
    });
    await refused(blind, "rounding", /float32: .* is possible/);
  });

  it("refuses numbers that float32 has no room for, though the outputs are small", async () => {
    const high = await edited(original, ({ graph }) => {
      if (!graph) return;
      graph.initializer.push(tensor("up", [1], 1e30), tensor("down", [1], 1e-30));
      inFront(graph, [node("Mul", ["input", "up"], "there"), node("Mul", ["there", "down"], "x")]);
    });
    await expect(certificateOf(high.bytes, high.data)).rejects.toThrow(/float32 may overflow/);
  });
});

/** The first float32 constant with two axes. */
function weights(graph: GraphProto) {
  const found = graph.initializer.find((t) => t.dataType === 1 && t.dims.length === 2);
  if (!found) throw new Error("there are no weights");
  return found;
}

function spoil(graph: GraphProto, value: number): void {
  const { rawData } = weights(graph);
  new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength).setFloat32(8, value, true);
}

/** Nodes in front of the model, which make "x" of the input. */
function inFront(graph: GraphProto, nodes: readonly NodeProto[]): void {
  for (const other of graph.node) other.input = other.input.map((name) => (name === "input" ? "x" : name));
  graph.node.unshift(...nodes);
}

const node = (opType: string, input: readonly string[], output: string): NodeProto =>
  create(NodeProtoSchema, { opType, input: [...input], output: [output], name: `forged_${output}_${opType}` });

const integer = (name: string, i: bigint) => create(AttributeProtoSchema, { name, type: 2, i });

const tensor = (name: string, dims: readonly number[], value: number) =>
  create(TensorProtoSchema, {
    name,
    dataType: 1,
    dims: dims.map(BigInt),
    rawData: new Uint8Array(new Float32Array(dims.reduce((n, d) => n * d, 1)).fill(value).buffer),
  });

const port = (name: string, dims: readonly number[]) => ({
  name,
  type: {
    value: {
      case: "tensorType" as const,
      value: {
        elemType: 1,
        shape: { dim: dims.map((d) => ({ value: { case: "dimValue" as const, value: BigInt(d) } })) },
      },
    },
  },
});
