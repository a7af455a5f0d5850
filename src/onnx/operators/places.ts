/** @file ONNX operators that choose or replace single numbers by places that are known when the model is read: each is one gather from all numbers. */
import type { Node } from "../../graph/graph.ts";
import { constant } from "../../graph/leaf.ts";
import { gather } from "../../ops/gather.ts";
import { concat, reshape } from "../../ops/movement.ts";
import { ReadError } from "../../tensor/errors.ts";
import { checkAxis, type Shape, showShape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import { tensor, toFloat64 } from "../../tensor/tensor.ts";
import { type Call, type Operator, Refusal } from "../call.ts";

/** Slices at tuples of indices; behind `batch_dims` leading axes, each with tuples of its own. */
export const GatherND: Operator = (c) => {
  const x = c.input(0);
  const { at, shape } = placesIn(c);
  const batch = c.attributes.int("batch_dims", 0);
  const depth = shape[shape.length - 1];
  if (!(batch >= 0 && batch < shape.length && batch + depth <= x.shape.length)) {
    throw new ReadError(`tuples of ${depth} indices behind ${batch} axes do not fit ${showShape(x.shape)}`);
  }
  const slice = x.shape.slice(batch + depth);
  const tuples = sizeOf(shape.slice(0, -1));
  const perBatch = tuples / sizeOf(x.shape.slice(0, batch));
  const table = slices(x.shape, at, { tuples, depth, batch, perBatch });
  return [chosen(x, table, [...shape.slice(0, -1), ...slice])];
};

/** For each place the number of the same place but for one axis. */
export const GatherElements: Operator = (c) => {
  const x = c.input(0);
  const { at, shape } = placesIn(c);
  return [chosen(x, alongAxis(c, x, at, shape), shape)];
};

/** x with slices replaced. Places must differ: which of two counts is open. */
export const ScatterND: Operator = (c) => {
  refuseReduction(c);
  const x = c.input(0);
  const { at, shape } = placesIn(c);
  const depth = shape[shape.length - 1];
  const tuples = sizeOf(shape.slice(0, -1));
  return [replaced(x, c.input(2), slices(x.shape, at, { tuples, depth, batch: 0, perBatch: tuples }))];
};

/** x with single numbers replaced. Places must differ. */
export const ScatterElements: Operator = (c) => {
  refuseReduction(c);
  const x = c.input(0);
  const { at, shape } = placesIn(c);
  return [replaced(x, c.input(2), alongAxis(c, x, at, shape))];
};

/** Rows of each sample put into a tensor that is kept from call to call, from a place that is known. */
export const TensorScatter: Operator = (c) => {
  const [past, update] = [c.input(0), c.input(1)];
  const axis = checkAxis("TensorScatter", c.attributes.int("axis", -2), past.shape.length);
  const circular = c.attributes.string("mode", "linear") === "circular";
  const starts = c.numbers(2) ?? new Array<number>(past.shape[0]).fill(0);
  const [size, rows] = [past.shape[axis], update.shape[axis]];
  if (starts.length !== past.shape[0]) throw new ReadError(`it needs ${past.shape[0]} places, got ${starts.length}`);
  const over = starts.find((start) => start < 0 || (circular ? start >= size || rows > size : start + rows > size));
  if (over !== undefined) throw new ReadError(`${rows} rows from place ${over} on do not fit ${size}`);
  if (update.shape.some((d, i) => i !== axis && d !== past.shape[i])) {
    throw new ReadError(`${showShape(update.shape)} does not fit ${showShape(past.shape)}`);
  }
  const [own, strides] = [stridesOf(update.shape), stridesOf(past.shape)];
  const table = Float64Array.from({ length: sizeOf(update.shape) }, (_, k) => {
    const at = update.shape.map((d, i) => Math.floor(k / own[i]) % d);
    const row = (starts[at[0]] + at[axis]) % size;
    return at.reduce((sum, place, i) => sum + (i === axis ? row : place) * strides[i], 0);
  });
  return [replaced(past, update, table)];
};

/** Known indices as rows that are `on` at one place and `off` elsewhere. */
export const OneHot: Operator = (c) => {
  const indices = c.known(0);
  const depth = c.numbers(1)?.[0];
  const values = c.known(2);
  if (!indices || depth === undefined || values?.data.length !== 2) throw new ReadError("an input is missing");
  const axis = checkAxis("OneHot", c.attributes.int("axis", -1), indices.shape.length + 1);
  const shape = [...indices.shape.slice(0, axis), depth, ...indices.shape.slice(axis)];
  if (!(sizeOf(shape) <= placesAtMost)) throw new Refusal(`${sizeOf(shape)} numbers are not read`);
  const inner = sizeOf(indices.shape.slice(axis));
  const wanted = toFloat64(indices).map((v) => (v < 0 ? v + depth : v));
  const [off, on] = toFloat64(values);
  const data = Array.from({ length: sizeOf(shape) }, (_, k) => {
    const place = Math.floor(k / inner) % depth;
    return wanted[Math.floor(k / (inner * depth)) * inner + (k % inner)] === place ? on : off;
  });
  return [c.constant(tensor(data, shape, values.dtype))];
};

// --- internal ---

const placesAtMost = 2 ** 22;

/** The indices, which must be known. */
function placesIn(c: Call): { readonly at: Float64Array; readonly shape: Shape } {
  const indices = c.known(1);
  if (!indices) throw new ReadError("its indices are missing");
  if (indices.data.length > placesAtMost) throw new Refusal(`${indices.data.length} indices are not read`);
  return { at: toFloat64(indices), shape: indices.shape };
}

function refuseReduction(c: Call): void {
  const reduction = c.attributes.string("reduction", "none");
  if (reduction !== "none") throw new Refusal(`the reduction "${reduction}" is not read`);
}

function counted(index: number, size: number): number {
  const from = index < 0 ? index + size : index;
  if (!(from >= 0 && from < size)) throw new ReadError(`an index must be from -${size} to ${size - 1}, got ${index}`);
  return from;
}

interface Tuples {
  readonly tuples: number;
  readonly depth: number;
  readonly batch: number;
  readonly perBatch: number;
}

/** For each number of the slices that tuples name its place in x. */
function slices(shape: Shape, at: Float64Array, { tuples, depth, batch, perBatch }: Tuples): Float64Array {
  const strides = stridesOf(shape);
  const inner = sizeOf(shape.slice(batch + depth));
  if (tuples * inner > placesAtMost) throw new Refusal(`${tuples * inner} numbers by their indices are not read`);
  const table = new Float64Array(tuples * inner);
  const perFirst = sizeOf(shape.slice(batch));
  for (let t = 0; t < tuples; t++) {
    let from = Math.floor(t / perBatch) * perFirst;
    for (let d = 0; d < depth; d++) from += counted(at[t * depth + d], shape[batch + d]) * strides[batch + d];
    for (let k = 0; k < inner; k++) table[t * inner + k] = from + k;
  }
  return table;
}

function alongAxis(c: Call, x: Node, at: Float64Array, shape: Shape): Float64Array {
  const axis = checkAxis("axis", c.attributes.int("axis", 0), x.shape.length);
  if (shape.length !== x.shape.length || shape.some((d, i) => i !== axis && d > x.shape[i])) {
    throw new ReadError(`indices ${showShape(shape)} do not fit ${showShape(x.shape)}`);
  }
  const [own, strides] = [stridesOf(shape), stridesOf(x.shape)];
  return at.map((index, k) => {
    let from = 0;
    shape.forEach((d, i) => {
      const place = Math.floor(k / own[i]) % d;
      from += (i === axis ? counted(index, x.shape[axis]) : place) * strides[i];
    });
    return from;
  });
}

/** The numbers of x at these places. */
function chosen(x: Node, table: Float64Array, shape: Shape): Node {
  const flat = reshape(x, [sizeOf(x.shape)]);
  return reshape(gather(flat, constant(tensor(table, [table.length], "int64")), 0), shape);
}

/** x, but at these places the updates. */
function replaced(x: Node, updates: Node, table: Float64Array): Node {
  const size = sizeOf(x.shape);
  if (sizeOf(updates.shape) !== table.length) {
    throw new ReadError(`updates must be ${table.length} numbers, got ${showShape(updates.shape)}`);
  }
  if (size > placesAtMost) throw new Refusal(`${size} numbers by their places are not read`);
  const from = Float64Array.from({ length: size }, (_, k) => k);
  table.forEach((place, k) => {
    if (from[place] !== place) throw new Refusal("two updates of one place are not read: which of them counts is open");
    from[place] = size + k;
  });
  const all = concat([reshape(x, [size]), reshape(updates, [table.length])], 0);
  return chosen(all, from, x.shape);
}
