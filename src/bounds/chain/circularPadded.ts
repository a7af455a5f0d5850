/**
 * @file Convolutions with zeros around, or with nothing around, as convolutions that wrap around on a larger grid. What such a grid has beyond the
 * image would see an activation of its own; that it is constant there is a slope of 0, which the chain inequality allows anyway.
 */
import { type Flow, isAffine, type Region, regionOf } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { type Matrix, matrix } from "../../linalg/matrix.ts";
import { sqrtUp, sumUp, up } from "../../linalg/rounding.ts";
import { regionTaps, type Taps } from "../norm/merge.ts";
import type { NodeNorms } from "../norm/node.ts";
import type { CircularStage } from "./circular.ts";
import { activated } from "./circularTail.ts";

/** Stages on grids, between two nodes of a network. */
export interface PaddedStages {
  /** What the first stage reads; it keeps the constant that it has. */
  readonly from: Node;
  stages(): readonly CircularStage[];
  /** Which part of the last grid is the image; where it is small, what is proved of the grid says little of the image. */
  readonly used: number;
  /** A map of the last activations as one of the grid that these lie on. */
  spread(map: Matrix): Matrix;
}

/**
 * As many convolutions with activations of slopes in [0, 1] behind them as there are in a row before `to`, the last of these activations, or the `most` that
 * are asked for; null for none.
 *
 * Output j of a convolution reads the places s j + o through taps at offsets o. On a circle of G places it reads s j + o mod G. Both are the same if a place
 * outside the image is never one inside it modulo G: the rest of the grid is 0 before the first stage, and stays so if activations
 * behind it are taken to be constant. With G' = G / s for the next stage, the smallest such grids are taken, axis by axis.
 */
export function paddedStages(
  flow: Flow,
  to: Node,
  norms: NodeNorms,
  most = Number.POSITIVE_INFINITY,
): PaddedStages | null {
  const links: Link[] = [];
  let from = to;
  while (from !== flow.input && links.length < most) {
    const link = linkTo(flow, from, norms);
    if (!link) break;
    links.unshift(link);
    from = link.source;
  }
  if (links.length === 0) return null;
  const [rows, columns] = [0, 1].map((axis) => gridsOf(links.map(({ axes, stride }) => ({ ...axes[axis], stride }))));
  const last = links[links.length - 1];
  const size: Place = [last.axes[0].out, last.axes[1].out];
  const grid: Place = [rows[links.length], columns[links.length]];
  return {
    from,
    stages: () => links.map((link, i) => stageOf(link, [rows[i], columns[i]])),
    used: (size[0] * size[1]) / (grid[0] * grid[1]),
    spread: (map) => spreadOver(map, last.taps.outChannels, size, grid),
  };
}

/** One axis of a convolution: its offsets, the size of its image, and how many outputs it has. */
export interface CircleAxis {
  readonly offsets: readonly number[];
  readonly size: number;
  readonly out: number;
  readonly stride: number;
}

/** The smallest circles for the images of convolutions in a row, and for the last output. */
export function gridsOf(axes: readonly CircleAxis[]): readonly number[] {
  for (let end = axes[axes.length - 1].out; ; end++) {
    const grids = [end];
    for (const { stride } of axes.toReversed()) grids.unshift(grids[0] * stride);
    if (axes.every((axis, i) => hasRoom(axis, grids[i]))) return grids;
  }
}

// --- internal ---

type Place = readonly [number, number];

interface Link {
  readonly source: Node;
  readonly taps: Taps;
  readonly stride: number;
  /** Of the entries, against their sums of absolute values. */
  readonly error: number;
  readonly axes: readonly [Omit<CircleAxis, "stride">, Omit<CircleAxis, "stride">];
}

/** Is what a convolution reads outside its image outside it on a circle, too? */
function hasRoom({ offsets, size, out, stride }: CircleAxis, grid: number): boolean {
  if (grid < size || grid < stride * out) return false;
  for (let j = 0; j < out; j++) {
    for (const offset of offsets) {
      const place = stride * j + offset;
      if ((place < 0 || place >= size) && remainder(place, grid) < size) return false;
    }
  }
  return true;
}

const remainder = (a: number, n: number): number => ((a % n) + n) % n;

/** The convolution before an activation. */
function linkTo(flow: Flow, node: Node, norms: NodeNorms): Link | null {
  const before = activated(flow, node);
  if (!before || !isAffine(before, flow.varies)) return null;
  let region = regionOf(before, flow);
  if (region.sources.length !== 1) return null;
  for (;;) {
    const link = linkOf(flow, region, norms);
    if (link) return link;
    const shorter = withoutFirst(region);
    if (!shorter) return null;
    region = shorter;
  }
}

/** A region without the one node that reads its source; what it gives has the constant that the walk found. */
function withoutFirst({ sources, nodes, output }: Region): Region | null {
  const readers = nodes.filter((node) => node.inputs.includes(sources[0]));
  const [first] = readers;
  const inside = new Set([...sources, ...nodes]);
  const alone = readers.length === 1 && first !== output && first.inputs.filter((x) => inside.has(x)).length === 1;
  return alone ? { sources: [first], nodes: nodes.filter((node) => node !== first), output } : null;
}

function linkOf(flow: Flow, region: Region, norms: NodeNorms): Link | null {
  const [source] = region.sources;
  const { output } = region;
  const rank = source.shape.length;
  if ((rank !== 3 && rank !== 4) || source.shape[0] !== 1 || output.shape.length !== rank) return null;
  const found = regionTaps(flow, norms, region, source);
  if (!found) return null;
  const { strides, at } = found.taps;
  const [stride] = strides;
  if (strides.some((s) => s !== stride)) return null;
  const sizes = placeOf(source.shape.slice(2), 1);
  const outs = placeOf(output.shape.slice(2), 1);
  const axes = ([0, 1] as const).map((axis) => ({ size: sizes[axis], out: outs[axis] }));
  // Taps that only ever meet zeros are none.
  const met = [...at].filter(([, { offset }]) =>
    placeOf(offset, 0).every((o, axis) => meets(o, { ...axes[axis], stride, offsets: [] })),
  );
  if (met.length === 0) return null;
  const offsetsOf = (axis: number) => [...new Set(met.map(([, { offset }]) => placeOf(offset, 0)[axis]))];
  return {
    source,
    taps: { ...found.taps, at: new Map(met) },
    stride,
    error: found.error,
    axes: [
      { ...axes[0], offsets: offsetsOf(0) },
      { ...axes[1], offsets: offsetsOf(1) },
    ],
  };
}

/** One axis is the second of two. */
const placeOf = (list: readonly number[], missing: number): Place =>
  list.length === 1 ? [missing, list[0]] : [list[0], list[1]];

function meets(offset: number, { size, out, stride }: CircleAxis): boolean {
  for (let j = 0; j < out; j++) {
    const place = stride * j + offset;
    if (place >= 0 && place < size) return true;
  }
  return false;
}

/** The taps at their offsets on a grid; groups have zeros between them. */
function stageOf({ taps, stride, error }: Link, [height, width]: Place): CircularStage {
  const { outChannels, inChannels, groups } = taps;
  const inputs = inChannels * groups;
  const kernel = new Float64Array(outChannels * inputs * height * width);
  const sums = new Float64Array(outChannels * inChannels);
  for (const { offset, values, sums: own } of taps.at.values()) {
    const [y, x] = placeOf(offset, 0);
    const place = remainder(y, height) * width + remainder(x, width);
    values.forEach((value, k) => {
      const channel = Math.floor(k / inChannels);
      const group = Math.floor((channel * groups) / outChannels);
      const input = group * inChannels + (k % inChannels);
      kernel[(channel * inputs + input) * height * width + place] += value;
      sums[k] += own[k];
    });
  }
  const stage = { kernel, channels: outChannels, inputs, height, width, stride };
  if (error === 0) return stage;
  // Twice for the real form and for how the sums were rounded.
  const squares = sums.reduce((total, s) => total + s * s, 0);
  return { ...stage, error: up(2 * up(error * sumUp(sqrtUp(sumUp(squares, sums.length + 2)), taps.at.size + 2))) };
}

/** Zero columns for the places of a grid that are no outputs. */
function spreadOver({ rows, cols, data }: Matrix, channels: number, [m, n]: Place, [height, width]: Place): Matrix {
  const made = new Float64Array(rows * channels * height * width);
  for (let line = 0; line < rows * channels * m; line++) {
    const [plane, y] = [Math.floor(line / m), line % m];
    made.set(data.subarray(line * n, (line + 1) * n), (plane * height + y) * width);
  }
  if (cols !== channels * m * n)
    throw new RangeError(`spread: the map must have ${channels * m * n} columns, got ${cols}`);
  return matrix(rows, channels * height * width, made);
}
