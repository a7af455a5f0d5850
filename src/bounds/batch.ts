/**
 * @file Does a sample's output depend on the batch around it? Every number of a graph is coloured by the half of the batch that it is made of, and one of both
 * halves is where samples meet; and what is constant must not change with the number of samples.
 */
import { type Node, topological } from "../graph/graph.ts";
import { isConstant } from "../graph/leaf.ts";
import { labelOf } from "../graph/origin.ts";
import { isBroadcast } from "../ops/broadcast.ts";
import { random } from "../tensor/random.ts";
import { type Shape, sameShape, sizeOf } from "../tensor/shape.ts";
import { isFloat, type Tensor } from "../tensor/tensor.ts";
import { asFunction } from "./fixed.ts";

/** Where samples of one batch act on each other, or where their number does. */
export interface Crossing {
  readonly node: string;
  readonly why: string;
}

/** A graph on some samples, side by side in contiguous parts of x and of y. */
export interface Batched {
  readonly x: Node;
  readonly y: Node;
}

/**
 * The node where numbers of two samples meet on their way to y, of `samples` in the graph; null if there is none. Where y has a part for each sample, it must have
 * them in the order of x.
 */
export function samplesMeet({ x, y }: Batched, samples: number, parts = true): Crossing | null {
  // Two samples that meet differ in a bit of their index.
  for (let bit = 1; bit < samples; bit *= 2) {
    const half = (sample: number) => (sample & bit ? second : first);
    const found = meeting(x, y, (i, size) => half(Math.floor((i * samples) / size)), parts);
    if (found) return found;
  }
  return null;
}

/** The node that reads a constant, or has a setting, that is another one for another number of samples, from the same graph on two numbers of them. */
export function countMatters(few: Batched, more: Batched, counts: readonly [number, number]): Crossing | null {
  // One sample is stretched to no more of them.
  const [a, b] = [few.y, more.y].map((y) => topological([y]).filter((node) => !isBroadcast(node)));
  for (const [k, node] of a.entries()) {
    const other = b[k];
    if (!other || other.op !== node.op || other.inputs.length !== node.inputs.length) {
      return { node: labelOf(node), why: `the graph from there on depends on the number of samples` };
    }
    for (const [i, own] of node.inputs.entries()) {
      const [constant, twin] = [own, other.inputs[i]].map((x) => (isBroadcast(x) ? x.inputs[0] : x));
      if (!isConstant(constant) || !isConstant(twin)) continue;
      const at = firstOther(constant.attrs, twin.attrs, counts);
      if (at === null) continue;
      const [p, q] = [constant, twin].map((c) => c.attrs.data[Math.min(at, c.attrs.data.length - 1)]);
      return { node: labelOf(node), why: `it reads ${p} in a batch of ${counts[0]}, and ${q} in one of ${counts[1]}` };
    }
    // Settings of a function of one number are part of the function; those of what moves numbers are shapes.
    const pointwise = node.inputs.length > 0 && isElementwise(node);
    if (pointwise && JSON.stringify(node.attrs) !== JSON.stringify(other.attrs)) {
      return { node: labelOf(node), why: "its settings depend on the number of samples" };
    }
  }
  if (b.length > a.length) return { node: labelOf(more.y), why: "what is computed depends on the number of samples" };
  return null;
}

/** An output of a sample that is another one alone than beside a second one, at drawn points: for graphs that do not compare node by node. */
export function aloneIsOther(alone: Batched, two: Batched): Crossing | null {
  const [one, both] = [alone, two].map(({ x, y }) => asFunction(y, x));
  const size = sizeOf(alone.x.shape);
  const source = random(0);
  for (const far of [1, 100]) {
    const points = Float64Array.from({ length: 2 * size }, () => far * source.normal());
    const beside = both(points);
    const apart = [0, 1].flatMap((k) => [...one(points.subarray(k * size, (k + 1) * size))]);
    const same = (v: number, w: number) => Object.is(v, w) || Math.abs(v - w) <= 2 ** -20 * Math.max(1, Math.abs(v));
    if (apart.every((v, i) => same(v, beside[i]))) continue;
    return { node: labelOf(two.y), why: "a sample gives something else alone than in a batch of 2" };
  }
  return null;
}

// --- internal ---

/** Colours: of no sample, of one half, of the other, of both. */
const first = 1;
const second = 2;
const both = 3;

type Colours = Uint8Array;

function meeting(x: Node, y: Node, colour: (i: number, size: number) => number, parts: boolean): Crossing | null {
  const colours = new Map<Node, Colours>();
  let where: Node | null = null;
  for (const node of topological([y])) {
    const size = sizeOf(node.shape);
    const own =
      node === x
        ? Uint8Array.from({ length: size }, (_, i) => colour(i, size))
        : coloursOf(
            node,
            node.inputs.map((i) => colours.get(i) as Colours),
          );
    colours.set(node, own);
    if (!where && own.includes(both)) where = node;
  }
  const size = sizeOf(y.shape);
  const wrong = (c: number, i: number) => (parts ? c !== 0 && c !== colour(i, size) : c === both);
  if (!(colours.get(y) as Colours).some(wrong)) return null;
  if (!where) return { node: labelOf(y), why: "samples do not come out in the order in which they went in" };
  return { node: labelOf(where), why: "samples of one batch meet there" };
}

/** Of which halves are the numbers of a node made? */
function coloursOf(node: Node, inputs: readonly Colours[]): Colours {
  const size = sizeOf(node.shape);
  if (inputs.every(isColourless)) return new Uint8Array(size);
  if (isElementwise(node)) return Uint8Array.from({ length: size }, (_, i) => inputs.reduce((c, own) => c | own[i], 0));
  switch (productOf(node)) {
    case "matrices": {
      const [a, b] = node.inputs.map((x) => x.shape);
      if (sameShape(a.slice(0, -2), node.shape.slice(0, -2)) && sameShape(b.slice(0, -2), node.shape.slice(0, -2)))
        return ofMatrices(node.shape, inputs, a.at(-1) ?? 1);
      break;
    }
    case "windows":
      // A row of the first axis is made of the same row, and of the kernel.
      if (node.inputs[0].shape[0] === node.shape[0] && isColourless(inputs[1]))
        return ofRows(size, node.shape[0], inputs[0]);
      break;
    default:
  }
  return probed(node, inputs);
}

const isColourless = (colours: Colours): boolean => colours.every((c) => c === 0);

/** y[.., i, j] is made of a[.., i, :] and b[.., :, j]. */
function ofMatrices(shape: Shape, [a, b]: readonly Colours[], inner: number): Colours {
  const [rows, cols] = shape.slice(-2);
  const out = new Uint8Array(sizeOf(shape));
  for (let batch = 0; batch * rows * cols < out.length; batch++) {
    const across = new Uint8Array(rows);
    const along = new Uint8Array(cols);
    for (let i = 0; i < rows; i++) for (let k = 0; k < inner; k++) across[i] |= a[(batch * rows + i) * inner + k];
    for (let k = 0; k < inner; k++) for (let j = 0; j < cols; j++) along[j] |= b[(batch * inner + k) * cols + j];
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < cols; j++) out[(batch * rows + i) * cols + j] = across[i] | along[j];
  }
  return out;
}

function ofRows(size: number, rows: number, x: Colours): Colours {
  const out = new Uint8Array(size);
  const [own, wide] = [x.length / rows, size / rows];
  for (let n = 0; n < rows; n++) {
    const colour = x.subarray(n * own, (n + 1) * own).reduce((c, v) => c | v, 0);
    out.fill(colour, n * wide, (n + 1) * wide);
  }
  return out;
}

/** Numbers of a node that is looked at often. */
const small = 2 ** 18;

/** What changes when the numbers of one half do: random ones, far above and far below, so that a maximum or a condition notices. */
function probed(node: Node, inputs: readonly Colours[]): Colours {
  const size = sizeOf(node.shape);
  const indexed = node.inputs.some((x, i) => !isFloat(x.dtype) && x.dtype !== "bool" && !isColourless(inputs[i]));
  const all = inputs.reduce((seen, c) => c.reduce((s, v) => s | v, seen), 0);
  // A position that varies may point anywhere.
  if (indexed) return new Uint8Array(size).fill(all);
  const out = new Uint8Array(size);
  const source = random(0);
  const fixed = node.inputs.map((x, i) => (isColourless(inputs[i]) ? fixedValue(x) : null));
  const linear = isLinear(node, inputs);
  const rounds = linear || Math.max(size, ...inputs.map((c) => c.length)) > small ? 1 : 4;
  const draw = (x: Node, positive: boolean) => {
    if (x.dtype === "bool") return source.integer(2);
    return positive ? Math.abs(source.normal()) + 0.5 : source.normal();
  };
  for (let round = 0; round < rounds; round++) {
    const base = node.inputs.map(
      (x, i) => fixed[i] ?? Float64Array.from({ length: sizeOf(x.shape) }, () => draw(x, round % 2 === 1)),
    );
    const before = node.op.evaluate(node, base);
    for (const half of [first, second]) {
      if ((all & half) === 0) continue;
      for (const far of linear ? [1] : [1000, -1000]) {
        const moved = node.inputs.map((x, i) =>
          base[i].map((v, k) => {
            if ((inputs[i][k] & half) === 0) return v;
            return x.dtype === "bool" ? 1 - v : v + far * (Math.abs(source.normal()) + 0.5);
          }),
        );
        node.op.evaluate(node, moved).forEach((v, k) => {
          if (!Object.is(v, before[k])) out[k] |= half;
        });
      }
    }
  }
  return out;
}

/** The value of a node without colour; null where it is none of constants, so that it has to be drawn. */
function fixedValue(wanted: Node): Float64Array | null {
  const values = new Map<Node, Float64Array>();
  for (const node of topological([wanted])) {
    if (node.inputs.length === 0 && !isConstant(node)) return null;
    values.set(
      node,
      node.op.evaluate(
        node,
        node.inputs.map((i) => values.get(i) as Float64Array),
      ),
    );
  }
  return values.get(wanted) as Float64Array;
}

function isLinear(node: Node, inputs: readonly Colours[]): boolean {
  const { kind } = node.op.behaviour(
    node,
    inputs.map((c) => !isColourless(c)),
  );
  return kind === "linear" || kind === "isometry";
}

/** Is number i of the result made of the numbers i of the inputs? */
function isElementwise(node: Node): boolean {
  if (!node.inputs.every((x) => sameShape(x.shape, node.shape))) return false;
  const behaviour = node.op.behaviour(
    node,
    node.inputs.map(() => true),
  );
  switch (behaviour.kind) {
    case "pointwise":
      return true;
    case "unbounded":
      return (
        behaviour.local?.kind === "slopes" ||
        behaviour.local?.kind === "quotient" ||
        (behaviour.local?.kind === "product" && behaviour.local.of === "elements")
      );
    default:
      return false;
  }
}

function productOf(node: Node) {
  const behaviour = node.op.behaviour(
    node,
    node.inputs.map(() => true),
  );
  return behaviour.kind === "unbounded" && behaviour.local?.kind === "product" ? behaviour.local.of : null;
}

/** Where two constants differ that should be the same for every sample; null if they do not. One axis may be that of the samples, in either order within it. */
function firstOther(a: Tensor, b: Tensor, counts: readonly [number, number]): number | null {
  const axes = a.shape.flatMap((d, i) => (d === b.shape[i] ? [] : [i]));
  if (a.shape.length !== b.shape.length || axes.length > 1) return 0;
  if (axes.length === 0) {
    const at = Array.from(a.data as ArrayLike<number | bigint>).findIndex((v, i) => v !== b.data[i]);
    return at < 0 ? null : at;
  }
  const [axis] = axes;
  const per = a.shape[axis] / counts[0];
  if (!Number.isInteger(per) || b.shape[axis] !== per * counts[1]) return 0;
  const samplesFirst = firstUnlike(a, b, axis, per, (i) => i % per);
  if (samplesFirst === null) return null;
  return firstUnlike(a, b, axis, per, (i, length) => Math.floor((i * per) / length)) === null ? null : samplesFirst;
}

/** Along an axis, does every place hold what the first one with the same `key` holds in `a`? */
function firstUnlike(
  a: Tensor,
  b: Tensor,
  axis: number,
  per: number,
  key: (i: number, length: number) => number,
): number | null {
  const inner = sizeOf(a.shape.slice(axis + 1));
  const place = (t: Tensor, i: number) => {
    const length = t.shape[axis];
    const along = Math.floor(i / inner) % length;
    return (Math.floor(i / (inner * length)) * per + key(along, length)) * inner + (i % inner);
  };
  const known = new Map<number, number | bigint>();
  for (const t of [a, b]) {
    for (let i = 0; i < t.data.length; i++) {
      const at = place(t, i);
      const have = known.get(at);
      if (have === undefined) known.set(at, t.data[i]);
      else if (have !== t.data[i]) return i;
    }
  }
  return null;
}
