/** @file What somebody would do to the residual blocks of a certificate or of its model: each forgery is refused by the check of the constant, in one line. */
import { create } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, it } from "vitest";
import { inFamily } from "../../src/layers/family.ts";
import { sll } from "../../src/layers/sll.ts";
import { mlp } from "../../src/models/mlp.ts";
import { AttributeProtoSchema, type GraphProto, NodeProtoSchema } from "../../src/onnx/proto.ts";
import type { Certificate } from "../../src/verify/certificate.ts";
import { verify } from "../../src/verify/verify.ts";
import { bytesOf, certificateOf, points } from "../certificates.ts";
import { claimed, type Draft, edited, type Original, refused } from "../forgeries.ts";

let original: Original;

/** Blocks of width 7 and 6, with a narrowing map between them. */
beforeAll(async () => {
  const data = points([5], 12, 3);
  const bytes = await bytesOf(inFamily(mlp([5, 7, 6, 3]), sll({ gamma: 2 })), [5]);
  original = { bytes, data, ...(await certificateOf(bytes, data)) };
});

const blocks = (c: Draft<Certificate>) => c.witness.blocks;

const claims: Readonly<Record<string, readonly [(c: Draft<Certificate>) => void, RegExp]>> = {
  "smaller multipliers": [(c) => each(c, (l) => l / 2), /the block of .* its norm is not proved to be at most/],
  "larger multipliers": [(c) => each(c, (l) => l * 1.5), /proved is .*, claimed/],
  "one multiplier that is larger": [(c) => each(c, (l, i) => (i === 2 ? 2 * l : l)), /proved is .*, claimed/],
  "one multiplier that is smaller": [(c) => each(c, (l, i) => (i === 2 ? l / 100 : l)), /not proved|proved is/],
  "a neuron without a multiplier": [(c) => each(c, (l, i) => (i === 2 ? 0 : l)), /a neuron that moves needs/],
  "multipliers next to nothing": [(c) => each(c, () => 1e-300), /not far from 1/],
  "huge multipliers": [(c) => each(c, () => 1e300), /not far from 1/],
  "multipliers too few": [(c) => void blocks(c)[0].multipliers.pop(), /must have 7 multipliers/],
  "multipliers of the other block": [
    (c) => {
      blocks(c)[0].multipliers = blocks(c)[1].multipliers;
    },
    /must have 7 multipliers/,
  ],
  "a smaller norm": [
    (c) => {
      blocks(c)[0].norm *= 0.5;
    },
    /its norm is not proved/,
  ],
  "a norm of 1": [
    (c) => {
      blocks(c)[0].norm = 1;
    },
    /its norm must be below 1/,
  ],
  "a norm that is next to 1": [
    (c) => {
      blocks(c)[0].norm = 1 - 2 ** -53;
      each(c, (l) => l * 1.001);
    },
    /proved is .*, claimed/,
  ],
  "a block twice": [(c) => void blocks(c).push(blocks(c)[0]), /is there twice/],
  "a block left out": [(c) => void blocks(c).shift(), /the witness: /],
  "no blocks": [(c) => void blocks(c).splice(0), /the witness: /],
  "two blocks as one": [
    (c) => {
      blocks(c)[1].from = blocks(c)[0].from;
    },
    /goes around/,
  ],
  "a block from nowhere": [
    (c) => {
      blocks(c)[0].from = "nowhere";
    },
    /there is no tensor "nowhere"/,
  ],
  "a block from the sample": [
    (c) => {
      blocks(c)[0].from = "(sample)";
    },
    /it must add "\(sample\)" as it is/,
  ],
  "a block that ends in its activation": [
    (c) => {
      blocks(c)[0].to = blocks(c)[0].activation;
    },
    /it must end in a sum/,
  ],
  "a block of an activation elsewhere": [
    (c) => {
      blocks(c)[0].activation = blocks(c)[1].activation;
    },
    /goes around/,
  ],
  "a block of what is no activation": [
    (c) => {
      blocks(c)[0].activation = blocks(c)[0].to;
    },
    /is no activation of it/,
  ],
  "a block in l1": [
    (c) => {
      c.norm = "1";
    },
    /blocks are proved in l2 only/,
  ],
};

const models: Readonly<Record<string, readonly [(graph: GraphProto) => void, RegExp]>> = {
  "a longer step": [(g) => weights(g, outer(g), (v) => 1.2 * v), /not proved|proved is/],
  "a step in the other direction": [(g) => weights(g, outer(g), (v) => -v), /proved is .*, claimed/],
  "one weight of the second factor": [
    (g) => weights(g, outer(g), (v, i) => (i === 3 ? v + 0.01 : v)),
    /not proved|proved is/,
  ],
  "one weight of the first factor": [
    (g) => weights(g, inner(g), (v, i) => (i === 3 ? v + 0.01 : v)),
    /not proved|proved is/,
  ],
  "the rows of a factor in another order": [
    (g) => weights(g, outer(g), (_, i, all) => all[(i + 7) % all.length]),
    /not proved|proved is/,
  ],
  "an activation that falls: Abs": [(g) => activation(g, "Abs"), /slopes of .* must be in \[0, 1\]/],
  "an activation that falls: HardSwish": [(g) => activation(g, "HardSwish"), /slopes of .* must be in \[0, 1\]/],
  "an activation that falls: LeakyRelu": [(g) => activation(g, "LeakyRelu", -0.01), /must be in \[0, 1\]/],
  "an activation that is steep: LeakyRelu": [(g) => activation(g, "LeakyRelu", 1.01), /must be in \[0, 1\]/],
  "an activation that is steep: Elu": [(g) => activation(g, "Elu", 1.5), /must be in \[0, 1\]/],
  "a difference instead of a sum": [
    (g) => {
      end(g).opType = "Sub";
    },
    /proved is|must add|not proved/,
  ],
  "the beginning added twice": [
    (g) => behind(g, end(g), "Add", [end(g).output[0], start()]),
    /it must add .* as it is/,
  ],
  "a second use of the inner signal, within the block": [
    (g) => behind(g, end(g), "Add", [end(g).output[0], inner(g).output[0]]),
    /it must add|proved is|not proved/,
  ],
  "a second use of the activation, within the block": [
    (g) => behind(g, end(g), "Add", [end(g).output[0], relu(g).output[0]]),
    /proved is|not proved/,
  ],
  "a second use of the activation, behind the narrowing map": [
    (g) => behind(g, narrowing(g), "Add", [narrowing(g).output[0], sliced(g)]),
    /the norms of .* must be those from/,
  ],
  "the second block reads what the first began with": [
    (g) => behind(g, secondInner(g), "Add", [secondInner(g).output[0], slicedFrom(g, start())]),
    /goes around/,
  ],
  "an argument that is bent before": [(g) => behind(g, inner(g), "Relu", [inner(g).output[0]]), /goes around/],
  "a step that is bent behind": [(g) => behind(g, outer(g), "Relu", [outer(g).output[0]]), /goes around/],
};

describe("verify() of forged blocks", () => {
  it("accepts what was not forged, near its prescribed constant", async () => {
    expect((await verify(original.text, original.bytes, { data: original.data })).holds).toBe(true);
    expect(original.certificate.witness.blocks.length).toBe(2);
    expect(original.certificate.constant.value).toBeLessThan(2 * (1 + 1e-5));
  });

  it.each(Object.entries(claims))("refuses %s", async (_, [forge, why]) => {
    await refused(await claimed(original, forge), "constant", why);
  });

  it("refuses a multiplier or a norm that is negative", async () => {
    const negative = await claimed(original, (c) => each(c, (l) => -l));
    await refused(negative, "certificate", /multipliers\[0\]: must be/);
    const below = await claimed(original, (c) => {
      blocks(c)[0].norm = -0.5;
    });
    await refused(below, "certificate", /norm: must be/);
  });

  it.each(Object.entries(models))("refuses %s", async (_, [forge, why]) => {
    const forgery = await edited(original, ({ graph }) => {
      if (graph) forge(graph);
    });
    await refused(forgery, "constant", why);
  });
});

/** The multipliers of the first block. */
function each(c: Draft<Certificate>, f: (l: number, i: number) => number): void {
  blocks(c)[0].multipliers = blocks(c)[0].multipliers.map(f);
}

type Node = GraphProto["node"][number];

const making = (g: GraphProto, tensor: string): Node => {
  const found = g.node.find((n) => n.output[0] === tensor);
  if (!found) throw new Error(`nothing makes ${tensor}`);
  return found;
};

const reading = (g: GraphProto, tensor: string, opType: string): Node => {
  const found = g.node.find((n) => n.opType === opType && n.input.includes(tensor));
  if (!found) throw new Error(`no ${opType} reads ${tensor}`);
  return found;
};

const block = (i: number) => original.certificate.witness.blocks[i];
const start = (): string => block(0).from;
const end = (g: GraphProto): Node => making(g, block(0).to);
const relu = (g: GraphProto): Node => making(g, block(0).activation);
const inner = (g: GraphProto): Node => reading(g, block(0).from, "MatMul");
const outer = (g: GraphProto): Node => reading(g, block(0).activation, "MatMul");
const narrowing = (g: GraphProto): Node => reading(g, block(0).to, "MatMul");
const secondInner = (g: GraphProto): Node => reading(g, block(1).from, "MatMul");

/** Six of the seven numbers of a tensor. */
function slicedFrom(g: GraphProto, tensor: string): string {
  const name = `sliced_${tensor}`;
  for (const [key, value] of [
    ["starts", 0n],
    ["ends", 6n],
    ["axes", 1n],
  ] as const) {
    const rawData = new Uint8Array(BigInt64Array.of(value).buffer);
    g.initializer.push({ ...g.initializer[0], name: `${name}_${key}`, dataType: 7, dims: [1n], rawData });
  }
  const input = [tensor, `${name}_starts`, `${name}_ends`, `${name}_axes`];
  const at = g.node.findIndex((n) => n.output[0] === tensor);
  g.node.splice(at + 1, 0, create(NodeProtoSchema, { opType: "Slice", name, input, output: [name] }));
  return name;
}

const sliced = (g: GraphProto): string => slicedFrom(g, relu(g).output[0]);

/** A node behind another one, of which all others read instead. */
function behind(g: GraphProto, before: Node, opType: string, input: readonly string[]): void {
  const [from] = before.output;
  for (const node of g.node) {
    if (input.includes(node.output[0]) || node.name.startsWith("sliced")) continue;
    node.input = node.input.map((name) => (name === from ? "forged" : name));
  }
  const node = create(NodeProtoSchema, { opType, name: "forged_node", input: [...input], output: ["forged"] });
  g.node.splice(g.node.indexOf(before) + 1, 0, node);
  // Where a block begins or ends keeps its name.
  if (from !== block(0).to && from !== block(1).from) return;
  for (const other of g.node) {
    const swap = (name: string) => (name === from ? "forged" : name === "forged" ? from : name);
    other.input = other.input.map(swap);
    other.output = other.output.map(swap);
  }
}

function activation(g: GraphProto, opType: string, alpha?: number): void {
  const node = relu(g);
  node.opType = opType;
  if (alpha !== undefined) node.attribute.push(create(AttributeProtoSchema, { name: "alpha", type: 1, f: alpha }));
}

function weights(g: GraphProto, { input }: Node, f: (v: number, i: number, all: readonly number[]) => number): void {
  const found = g.initializer.find((t) => input.includes(t.name));
  if (!found) throw new Error("there are no weights");
  const view = new DataView(found.rawData.buffer, found.rawData.byteOffset, found.rawData.byteLength);
  const all = Array.from({ length: found.rawData.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  all.forEach((v, i) => {
    view.setFloat32(4 * i, f(v, i, all), true);
  });
}
