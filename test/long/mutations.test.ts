/** @file Hundreds of ways to spoil a certificate, its model or its data: whatever is still accepted is still true, by the judgement of the other half of this library. */
import { beforeAll, describe, expect, it } from "vitest";
import { provedUpper } from "../../src/bounds/bound.ts";
import { lipschitz } from "../../src/bounds/index.ts";
import { type Certification, certify } from "../../src/certify/evaluate.ts";
import { type Dataset, hashDataset } from "../../src/data/dataset.ts";
import { inFamily } from "../../src/layers/family.ts";
import { cpl, sll } from "../../src/layers/sll.ts";
import { convnet } from "../../src/models/convnet.ts";
import { mlp } from "../../src/models/mlp.ts";
import { withPreprocessing } from "../../src/models/preprocess.ts";
import { modelHash, parseOnnx } from "../../src/onnx/read.ts";
import { type Random, random } from "../../src/tensor/random.ts";
import type { Certificate } from "../../src/verify/certificate.ts";
import { verify } from "../../src/verify/verify.ts";
import { bytesOf, certificateOf, engine, points } from "../certificates.ts";
import { type Case, edited, type Json, type Original, redigested, rehashed } from "../forgeries.ts";

const count = 200;

const originals: Original[] = [];

beforeAll(async () => {
  const flat = points([5], 12, 3);
  const images = points([1, 4, 4], 8, 3);
  const models = [
    [await bytesOf(mlp([5, 7, 6, 3]), [5]), flat, { mean: [0.25] }],
    [await bytesOf(mlp([5, 6, 3], { activation: "tanh" }), [5]), flat, {}],
    [await bytesOf(convnet(3, { channels: [2], hidden: 4, shrink: "pool" }), [1, 4, 4]), images, { scale: 2 }],
    [await bytesOf(mlp([5, 6, 3], { activation: "softplus" }), [5]), flat, {}],
    [await bytesOf(mlp([5, 6, 4, 3], { activation: "maxMin" }), [5]), flat, {}],
    [await bytesOf(convnet(3, { channels: [2], hidden: 4, activation: "silu" }), [1, 4, 4]), images, {}],
    [await bytesOf(inFamily(mlp([5, 6, 4, 3]), sll({ gamma: 2 })), [5]), flat, {}],
    [await bytesOf(inFamily(mlp([5, 6, 6, 3], { activation: "tanh" }), cpl()), [5]), flat, {}],
    [await bytesOf(inFamily(convnet(3, { channels: [2], hidden: 4 }), sll()), [1, 4, 4]), images, {}],
  ] as const;
  for (const [bytes, data, preprocessing] of models) {
    const { text, certificate } = await certificateOf(bytes, data, {
      local: "on",
      preprocessing,
      // As the judge: multipliers at which a clock stops the search can be better for a pair of classes than those at its end.
      seconds: Number.POSITIVE_INFINITY,
    });
    originals.push({ text, bytes, data, certificate });
  }
});

describe("verify()", () => {
  it("accepts none of two hundred mutations wrongly", async () => {
    const kinds = Object.entries(mutations);
    const tally: Record<string, { made: number; accepted: number }> = {};
    const wrong: string[] = [];
    for (let seed = 0; seed < count; seed++) {
      const source = random(seed);
      const original = originals[seed % originals.length];
      const [name, mutate] = kinds[Math.floor(seed / originals.length) % kinds.length];
      const spoilt = await mutate(original, source);
      const { holds } = await verify(spoilt.text, spoilt.bytes, { data: spoilt.data });
      tally[name] ??= { made: 0, accepted: 0 };
      tally[name].made++;
      if (!holds) continue;
      tally[name].accepted++;
      const lies = await untrue(spoilt);
      if (lies !== null) wrong.push(`${name}, seed ${seed}: ${lies}`);
    }
    expect(wrong).toEqual([]);
    // The test would say nothing if nothing were ever accepted, or everything.
    const accepted = Object.values(tally).reduce((n, t) => n + t.accepted, 0);
    expect(accepted).toBeGreaterThan(5);
    expect(accepted).toBeLessThan(count / 2);
    for (const [name, { accepted: own }] of Object.entries(tally)) {
      if (!name.includes("rehashed")) expect({ name, own }).toEqual({ name, own: 0 });
    }
  });

  it("would be caught if it accepted", async () => {
    // The judge itself: a radius twice as long, a constant half as large and a sample that is another one are not true.
    const [original] = originals;
    const { certificate } = original;
    const longest = certificate.samples.reduce((a, b) => (b.radius > a.radius ? b : a));
    const samples = certificate.samples.map((s) => (s === longest ? { ...s, radius: 2 * s.radius } : s));
    expect(await untrue({ ...original, text: JSON.stringify({ ...certificate, samples }) })).toMatch(/radius/);
    const constant = { ...certificate.constant, value: certificate.constant.value / 2 };
    expect(await untrue({ ...original, text: JSON.stringify({ ...certificate, constant }) })).toMatch(/constant/);
    expect(await untrue({ ...original, data: points([5], 12, 3, 2) })).toMatch(/data/);
    expect(await untrue(original)).toBe(null);
  });
});

// --- internal ---

const mutations: Readonly<Record<string, (original: Original, source: Random) => Promise<Case>>> = {
  async "a bit of the certificate"(original, source) {
    const bytes = new TextEncoder().encode(original.text);
    // Inside the claims: the name of the model is none, and neither is the digest's own text.
    const from = original.text.indexOf('"sha256"');
    bytes[from + source.integer(bytes.length - from)] ^= 1 << source.integer(8);
    return { ...original, text: new TextDecoder().decode(bytes) };
  },
  "a number of the certificate": async (original, source) => ({
    ...original,
    text: JSON.stringify(changed(JSON.parse(original.text), source, "number")),
  }),
  "a number, rehashed": (original, source) => redigested(original, (json) => changed(json, source, "number")),
  "a claim, rehashed": (original, source) =>
    redigested(original, (json) => {
      const rest = json as { [key: string]: Json };
      const keys = ["constant", "rounding", "accuracy", "certified", "averageRadius", "samples", "norm"];
      const key = keys[source.integer(keys.length)];
      return { ...rest, [key]: changed(rest[key], source, "any") };
    }),
  "anything, rehashed": (original, source) => redigested(original, (json) => changed(json, source, "any")),
  "two samples swapped, rehashed": (original, source) =>
    redigested(original, (json) => {
      const { samples, ...rest } = json as { samples: { [key: string]: Json }[] };
      const [a, b] = source.permutation(samples.length);
      const swapped = samples.map((s, i) =>
        i === a ? { ...samples[b], index: a } : i === b ? { ...samples[a], index: b } : s,
      );
      return { ...rest, samples: swapped } as Json;
    }),
  async "a bit of the model"(original, source) {
    return { ...original, bytes: flipped(original.bytes, source) };
  },
  "a bit of the model, rehashed": (original, source) => rehashed(original, flipped(original.bytes, source)),
  "a weight, rehashed": (original, source) =>
    edited(original, ({ graph }) => {
      const tensors = (graph?.initializer ?? []).filter((t) => t.dataType === 1);
      const { rawData } = tensors[source.integer(tensors.length)];
      const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
      const at = 4 * source.integer(rawData.length / 4);
      const words = [Number.NaN, Number.POSITIVE_INFINITY, 0, 1, -view.getFloat32(at, true)];
      const scaled = view.getFloat32(at, true) * (1 + 2 ** -source.integer(24));
      view.setFloat32(at, [...words, scaled][source.integer(6)], true);
    }),
  "a node removed, rehashed": (original, source) =>
    edited(original, ({ graph }) => {
      const nodes = graph?.node ?? [];
      const [gone] = nodes.splice(source.integer(nodes.length), 1);
      // Half of the time what read it reads what it read.
      if (source.integer(2) === 0) return;
      for (const node of nodes) node.input = node.input.map((name) => (name === gone.output[0] ? gone.input[0] : name));
      for (const port of graph?.output ?? []) if (port.name === gone.output[0]) port.name = gone.input[0];
    }),
  "an attribute or an operator, rehashed": (original, source) =>
    edited(original, ({ graph }) => {
      const nodes = graph?.node ?? [];
      const node = nodes[source.integer(nodes.length)];
      const attribute = node.attribute[source.integer(Math.max(1, node.attribute.length))];
      const other = ["Relu", "Tanh", "Sigmoid", "Abs", "Softplus", "Identity", "Sub", "Mul", "Exp", "Gelu"];
      if (!attribute || source.integer(2) === 0) node.opType = other[source.integer(other.length)];
      else if (attribute.ints.length > 0)
        attribute.ints[source.integer(attribute.ints.length)] += BigInt(source.integer(3) - 1);
      else attribute.i += 1n;
    }),
  "what a node reads, rehashed": (original, source) =>
    edited(original, ({ graph }) => {
      const nodes = graph?.node ?? [];
      const names = [...nodes.flatMap((n) => n.output), ...(graph?.initializer ?? []).map((i) => i.name), "input", ""];
      const node = nodes[source.integer(nodes.length)];
      if (node.input.length > 0) node.input[source.integer(node.input.length)] = names[source.integer(names.length)];
    }),
  "a shape or a type, rehashed": (original, source) =>
    edited(original, ({ graph }) => {
      const tensors = graph?.initializer ?? [];
      const made = tensors[source.integer(tensors.length)];
      if (source.integer(3) === 0) made.dataType = source.integer(17);
      else if (made.dims.length > 1 && source.integer(2) === 0) made.dims.reverse();
      else if (made.dims.length > 0) made.dims[source.integer(made.dims.length)] += BigInt(source.integer(5) - 2);
    }),
  async "a pixel or a label"(original, source) {
    return { ...original, data: spoiltData(original.data, source) };
  },
  async "a pixel or a label, rehashed"(original, source) {
    const data = spoiltData(original.data, source);
    const sha256 = await hashDataset(data);
    const made = await redigested(original, (json) => {
      const rest = json as { data: { [key: string]: Json } };
      return { ...rest, data: { ...rest.data, sha256 } } as Json;
    });
    return { ...made, data };
  },
};

function flipped(bytes: Uint8Array, source: Random): Uint8Array {
  const copy = bytes.slice();
  copy[source.integer(copy.length)] ^= 1 << source.integer(8);
  return copy;
}

function spoiltData(data: Dataset, source: Random): Dataset {
  const [x, labels] = [data.x.slice(), data.labels.slice()];
  const at = source.integer(x.length);
  const i = source.integer(labels.length);
  if (source.integer(2) === 0) labels[i] = (labels[i] + 1) % data.classes;
  else x[at] = [Number.NaN, 0, x[at] + 2 ** -source.integer(24)][source.integer(3)];
  return { ...data, x, labels };
}

/** The same JSON with one leaf changed: one digit, another number, another kind, or gone. */
function changed(json: Json, source: Random, what: "number" | "any"): Json {
  const copy = structuredClone(json);
  const leaves: { readonly at: Json[] | { [key: string]: Json }; readonly key: string | number }[] = [];
  const visit = (value: Json) => {
    if (typeof value !== "object" || value === null) return;
    for (const key of Object.keys(value)) {
      const own = (value as { [key: string]: Json })[key];
      if (typeof own === "number" || what === "any") leaves.push({ at: value as { [key: string]: Json }, key });
      visit(own);
    }
  };
  visit(copy);
  if (leaves.length === 0) return [0.5, -1, "none", null][source.integer(4)];
  const { at, key } = leaves[source.integer(leaves.length)];
  const place = at as { [key: string]: Json };
  const old = place[key];
  if (typeof old === "number" && (what === "number" || source.integer(3) > 0)) {
    place[key] = number(old, source);
  } else {
    const others: Json[] = [null, -1, 0, "1", "nhwc", [], {}, true];
    const k = source.integer(others.length + 1);
    if (k < others.length) place[key] = others[k];
    else delete place[key];
  }
  return copy;
}

function number(old: number, source: Random): number {
  const digits = String(old);
  const at = source.integer(digits.length);
  const other = Number(digits.slice(0, at) + source.integer(10) + digits.slice(at + 1));
  const all = [
    other,
    other,
    old * (1 + 2 ** -source.integer(40)),
    old * (1 - 2 ** -(1 + source.integer(40))),
    -old,
    old + 1,
    0,
  ];
  const picked = all[source.integer(all.length)];
  return Number.isFinite(picked) && picked !== old ? picked : old + 1;
}

/** What the other half of the library says of a model and data, once for each. */
const known = new Map<
  string,
  Promise<{ readonly judged: Certification; readonly lower: number; readonly data: string }>
>();

/** Is anything that a certificate claims not so? Judged by graphs, engine and bounds, which the checker does not use. */
async function untrue({ text, bytes, data }: Case): Promise<string | null> {
  const claim = JSON.parse(text) as Certificate;
  if (claim.sha256 !== (await modelHash(bytes))) return "the model is another one";
  const hash = await hashDataset(data);
  if (claim.data.sha256 !== hash) return "the data are others";
  const key = `${claim.sha256} ${hash} ${claim.norm} ${JSON.stringify(claim.preprocessing)}`;
  const judging = known.get(key) ?? judge(claim, bytes, data);
  known.set(key, judging);
  const { judged, lower } = await judging.catch((cause: unknown) => {
    throw new Error(`the judge cannot read what the checker accepted: ${String(cause)}`);
  });
  const { value, pairs } = claim.constant;
  // Other multipliers may be a little better than those that the search ends at.
  const near = 0.98;
  if (!(value >= lower * (1 - 1e-9) && value >= judged.constant.value * near)) return `the constant is not ${value}`;
  const theirs = judged.constant.pairs ?? [];
  if (pairs?.some((row, y) => row.some((K, j) => !(K >= theirs[y][j] * near)))) return "a pair's constant is not so";
  if (claim.samples.length !== data.count) return "the samples are not all there";
  let right = 0;
  let total = 0;
  for (const [i, s] of claim.samples.entries()) {
    const own = judged.samples[i];
    // Where outputs are next to equal, either class is predicted.
    const tied = own.margin < 1e-9 && s.radius === 0;
    if (s.index !== i || s.label !== data.labels[i] || !(s.predicted === own.predicted || tied))
      return `sample ${i} is not so`;
    if (!(Math.abs(s.margin - own.margin) <= 1e-7 * (1 + own.margin))) return `the margin of ${i} is ${own.margin}`;
    if (!(s.radius >= 0 && s.radius * near <= own.radius)) return `the radius of ${i} is ${own.radius}`;
    if (s.label === s.predicted) {
      right++;
      total += s.radius;
    }
  }
  if (Math.abs(claim.accuracy - right / data.count) > 1e-9) return "the accuracy is not so";
  if (Math.abs(claim.averageRadius - total / data.count) > 1e-9) return "the average radius is not so";
  for (const { radius, accuracy } of claim.certified) {
    const sure = claim.samples.filter((s) => s.label === s.predicted && s.radius >= radius).length;
    if (Math.abs(accuracy - sure / data.count) > 1e-9) return `the accuracy at ${radius} is not so`;
  }
  return null;
}

async function judge(claim: Certificate, bytes: Uint8Array, data: Dataset) {
  const network = withPreprocessing(parseOnnx(bytes), claim.preprocessing, data.shape);
  const { norm } = claim;
  const bracket = await lipschitz(network, { engine, norm, seconds: Number.POSITIVE_INFINITY });
  const upper = provedUpper(bracket);
  const judged = await certify(network, {
    engine,
    data,
    norm,
    seconds: Number.POSITIVE_INFINITY,
    ...(upper ? { upper } : {}),
  });
  return { judged, lower: bracket.lower?.value ?? 0, data: data.name };
}
