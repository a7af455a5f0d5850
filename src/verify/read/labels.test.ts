/** @file Labels beside scores: left out where they say no more than the largest score, refused where they may say something else. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { modelOf, type NodeOf } from "../../../test/model.ts";
import { type GraphProto, ModelProtoSchema, TensorProtoSchema, TypeProtoSchema } from "../../onnx/proto.ts";
import { tensor } from "../../tensor/tensor.ts";
import { readProgram } from "../verify.ts";

const whole = (...values: number[]) => tensor(BigInt64Array.from(values, BigInt), [values.length], "int64");
const words = create(TensorProtoSchema, {
  dataType: 8,
  dims: [3n],
  stringData: ["b", "a", "c"].map((w) => new TextEncoder().encode(w)),
});

/** Scores "s" of four features, and a label "l" beside them. */
function withLabel(nodes: readonly NodeOf[], elemType = 7): Uint8Array {
  const model = fromBinary(
    ModelProtoSchema,
    modelOf({
      inputs: { x: ["n", 4] },
      domains: { "ai.onnx.ml": 3 },
      nodes,
      outputs: ["l", "s"],
      tensors: {
        W: tensor(
          Float32Array.from({ length: 12 }, (_, k) => Math.sin(k + 1)),
          [4, 3],
        ),
        same: whole(0, 1, 2),
        turned: whole(2, 0, 1),
        named: whole(1, 2, 3),
        words,
      },
    }),
  );
  const type = (elemType: number, rank: number) => {
    const dim = Array.from({ length: rank }, (_, i) => ({ value: { case: "dimParam" as const, value: `d${i}` } }));
    return create(TypeProtoSchema, { value: { case: "tensorType", value: { elemType, shape: { dim } } } });
  };
  const graph = model.graph as GraphProto;
  [graph.output[0].type, graph.output[1].type] = [type(elemType, 1), type(1, 2)];
  // What nothing reads is no matter here.
  graph.initializer = graph.initializer.filter((t) => graph.node.some((n) => n.input.includes(t.name)));
  return toBinary(ModelProtoSchema, model);
}

const scores: NodeOf = { op: "MatMul", in: ["x", "W"], out: ["z"] };
const soft: NodeOf = { op: "Softmax", in: ["z"], out: ["s"], attributes: { axis: 1 } };
const place = (of: string, axis = 1): NodeOf => ({ op: "ArgMax", in: [of], out: ["p"], attributes: { axis } });
const look = (classes: string): NodeOf => ({
  op: "ArrayFeatureExtractor",
  domain: "ai.onnx.ml",
  in: [classes, "p"],
  out: ["k"],
});
const label: NodeOf = { op: "Cast", in: ["k"], out: ["l"], attributes: { to: 7 } };
const classifier = (classes: readonly number[], how = "SOFTMAX"): NodeOf => ({
  op: "LinearClassifier",
  domain: "ai.onnx.ml",
  in: ["x"],
  out: ["l", "s"],
  attributes: {
    coefficients: { floats: Array.from({ length: 12 }, (_, k) => Math.cos(k)) },
    intercepts: { floats: [0.5, -0.5, 0.25] },
    classlabels_ints: [...classes],
    post_transform: how,
  },
});

describe("a label alone", () => {
  const alone = (nodes: readonly NodeOf[]) => {
    const model = fromBinary(ModelProtoSchema, withLabel(nodes));
    (model.graph as GraphProto).output.pop();
    return readProgram(toBinary(ModelProtoSchema, model), {}, [4]);
  };

  it("is decided by the scores that it is looked up by", () => {
    const { outputs, output } = alone([
      scores,
      soft,
      place("s"),
      look("words"),
      { ...label, op: "Identity", attributes: {} },
    ]);
    expect([outputs, output]).toEqual([3, "z"]);
    expect(alone([classifier([0, 1, 2])]).outputs).toBe(3);
  });

  it("is refused where it is another one", () => {
    const bad = [scores, { ...place("z"), op: "ArgMin" }, { ...label, in: ["p"] }];
    expect(() => alone(bad)).toThrow(/is made by ArgMin/);
  });
});

describe("labels beside scores", () => {
  it.each([
    ["that are places", [scores, soft, place("s"), { ...label, in: ["p"] }], 7],
    ["that are places of what a softmax reads", [scores, soft, place("z", -1), { ...label, in: ["p"] }], 7],
    ["that are looked up in order", [scores, soft, place("s"), look("same"), label], 7],
    ["that are numbers of another kind", [scores, soft, place("s"), look("named"), label], 7],
    ["that are words", [scores, soft, place("s"), look("words"), { op: "Identity", in: ["k"], out: ["l"] }], 8],
    ["of a linear classifier", [classifier([0, 1, 2])], 7],
    ["of a linear classifier without a softmax", [classifier([4, 5, 6], "NONE")], 7],
  ] as const)("%s are left out", (_, nodes, type) => {
    const { outputs, steps } = readProgram(withLabel(nodes, type), {}, [4]);
    expect(outputs).toBe(3);
    expect(steps.every((step) => step.kind === "affine")).toBe(true);
  });

  it.each([
    ["that are looked up in another order", [scores, soft, place("s"), look("turned"), label], /in another order/],
    ["of a linear classifier in another order", [classifier([1, 0, 2])], /in another order/],
    [
      "of the smallest",
      [scores, soft, { ...place("s"), op: "ArgMin" }, { ...label, in: ["p"] }],
      /must be the label of the largest score, and is made by ArgMin/,
    ],
    [
      "of other scores",
      [scores, soft, { op: "Neg", in: ["s"], out: ["o"] }, place("o"), { ...label, in: ["p"] }],
      /must be the label of the largest of "s", and is that of "o"/,
    ],
    ["over another axis", [scores, soft, place("s", 0), { ...label, in: ["p"] }], /is made by ArgMax/],
    [
      "that are bent on the way",
      [scores, soft, place("s"), { op: "Cast", in: ["p"], out: ["k"], attributes: { to: 9 } }, label],
      /is made by Cast/,
    ],
    [
      "that are looked up twice",
      [
        scores,
        soft,
        place("s"),
        look("same"),
        { ...look("same"), in: ["named", "k"], out: ["j"] },
        { ...label, in: ["j"] },
      ],
      /is made by ai.onnx.ml.ArrayFeatureExtractor/,
    ],
    ["of a transform that is not known", [classifier([0, 1, 2], "PROBIT")], /post_transform PROBIT is not known/],
  ] as const)("%s are refused", (_, nodes, why) => {
    expect(() => readProgram(withLabel(nodes), {}, [4])).toThrow(why);
  });

  it("a transform within a model is refused", () => {
    const first = { ...classifier([0, 1, 2]), out: ["m", "h"] };
    const rest: NodeOf[] = [
      { op: "Neg", in: ["h"], out: ["s"] },
      { op: "ArgMax", in: ["s"], out: ["l"], attributes: { axis: 1, keepdims: 0 } },
    ];
    expect(() => readProgram(withLabel([first, ...rest]), {}, [4])).toThrow(/does not end the model/);
  });

  it("a division by what may be below 0 is refused", () => {
    const scaled = (norm: string): NodeOf => ({
      op: "Normalizer",
      domain: "ai.onnx.ml",
      in: ["z"],
      out: ["s"],
      attributes: { norm },
    });
    const read = (norm: string) =>
      readProgram(withLabel([scores, scaled(norm), place("s"), { ...label, in: ["p"] }]), {}, [4]);
    expect(read("L2").outputs).toBe(3);
    expect(() => read("MAX")).toThrow(/turn the order round/);
  });
});
