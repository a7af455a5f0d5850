/**
 * @file A network of convolutions as a program of the quadratic walk: tensors are channels on a periodic grid that is larger than the image, until a
 * dense map reads them all.
 *
 * Outside the image a tensor may hold anything, but where a window reaches out of the image it has to find zeros. An activation leaves them: that it is
 * constant there is a slope of 0. Where nothing else does, an activation that crops is put in between. Strides take every tensor that is alive to
 * the coarser grid, so that they wait until nothing else is to be done on the finer one.
 */

import { type Flow, isAffine } from "../../graph/behaviour.ts";
import type { Node, Windows } from "../../graph/graph.ts";
import { operatorOf } from "../../graph/origin.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { NodeNorms } from "../norm/node.ts";
import { wrappedConvolution } from "../norm/periodic.ts";
import { sortedPairs } from "../patterns/fuse.ts";
import { leastSide, readsOutside, spills } from "./axes.ts";
import { Builder, denseValue, type Value, whole } from "./cuts.ts";
import { type Image, isPlain, overPlaces, sums, timesFactor } from "./images.ts";
import { movedNumbers, nodeMap } from "./nodeMap.ts";
import { poolsFirst, stagedPools, windowsOf } from "./pools.ts";
import {
  type Action,
  after,
  type Kernel,
  type Places,
  type Program,
  programOf,
  type Sum,
  type Variable,
} from "./program.ts";
import { tournament } from "./tournament.ts";
import { unfolded } from "./unfold.ts";
import { periodicSum, poolTaps, sortedChannels, type WindowSum, windowSum } from "./windowSums.ts";

export interface GridOptions {
  /** Shall pools be taken axis by axis? Far less work, and a few per cent more of a bound. Default false. */
  readonly staged?: boolean;
}

/** The program of a flow whose input is [1, channels, ...space]; a string says what stands in the way. */
export function gridCuts(given: Flow, norms: NodeNorms, { staged = false }: GridOptions = {}): Program | string {
  const first = poolsFirst(given);
  const flow = unfolded(
    staged ? stagedPools(first) : first,
    (node) => windowsOf(node) === null && sortedPairs(node) === null,
  );
  const [, channels, ...space] = flow.input.shape;
  if (flow.varying.length < 2 || space.length < 1 || space.length > 3 || flow.input.shape[0] !== 1) {
    return "its input is no image";
  }
  return new Grids(flow, norms, channels, space).program();
}

// --- internal ---

class Grids {
  readonly flow: Flow;
  readonly norms: NodeNorms;
  private readonly build = new Builder();
  private readonly images = new Map<Node, Image>();
  private readonly input: Variable;
  private readonly space: readonly number[];
  /** How often the grid has been made coarser, per axis, and the least sides that each of the grids must have. */
  private strides: readonly number[];
  private readonly least: { readonly strides: readonly number[]; readonly sides: readonly number[] }[] = [];
  private readonly coarser: { readonly at: number; readonly strides: readonly number[] }[] = [];
  private readonly readers = new Map<Node, Node[]>();
  /** Convolutions that read their image as if it went on where it ends, and what they read: then the grid is the image. */
  private readonly periodic = new Map<Node, ReturnType<typeof wrappedConvolution> & object>();

  constructor(flow: Flow, norms: NodeNorms, channels: number, space: readonly number[]) {
    this.flow = flow;
    this.norms = norms;
    this.input = this.build.variable(channels, "input");
    this.space = space;
    this.strides = space.map(() => 1);
    this.images.set(flow.input, { ...whole(this.input), space, cropped: true });
    this.need(space);
    for (const node of flow.varying) {
      if (node === flow.input) continue;
      const found = wrappedConvolution(flow, node, norms);
      if (found) this.periodic.set(node, found);
    }
    for (const node of flow.varying) {
      for (const x of new Set(this.readsOf(node))) this.readers.set(x, [...(this.readers.get(x) ?? []), node]);
    }
  }

  /** What a node reads that varies. */
  private readsOf(node: Node): readonly Node[] {
    const found = this.periodic.get(node);
    return found ? [found.source] : node.inputs;
  }

  /** All nodes that are to be walked: not those that only repeat an image for a periodic convolution. */
  private walked(): Set<Node> {
    const needed = new Set<Node>([this.flow.output]);
    for (const node of this.flow.varying.toReversed()) {
      if (needed.has(node)) for (const x of this.readsOf(node)) needed.add(x);
    }
    return new Set(this.flow.varying.slice(1).filter((node) => needed.has(node)));
  }

  program(): Program | string {
    const left = this.walked();
    for (;;) {
      if (left.size === 0) return this.finish(this.images.get(this.flow.output) as Image);
      const ready = [...left].filter((node) => this.readsOf(node).every((x) => !left.has(x)));
      let done = false;
      const waiting: { readonly node: Node; readonly sum: WindowSum | null; readonly pool: Windows | null }[] = [];
      for (const node of ready) {
        const image = this.inPlace(node);
        if (typeof image === "string") return image;
        if (image.made) {
          this.images.set(node, image.made);
          left.delete(node);
          done = true;
          break;
        }
        waiting.push({ node, sum: image.sum, pool: image.pool });
      }
      if (done) continue;
      const first = waiting.find(({ sum, pool }) => sum || pool);
      if (!first) return this.dense(left);
      const strides = (first.sum ?? first.pool)?.strides as readonly number[];
      const together = waiting.filter((w) => (w.sum ?? w.pool)?.strides.join() === strides.join());
      const why = this.stride(together, strides, left);
      if (why) return why;
    }
  }

  private need(sides: readonly number[]): void {
    this.least.push({ strides: this.strides, sides });
  }

  /** A node on the grid as it is; or what it is that has to wait for a coarser one. */
  private inPlace(
    node: Node,
  ): { readonly made: Image | null; readonly sum: WindowSum | null; readonly pool: Windows | null } | string {
    const wait = { made: null, sum: null, pool: null };
    const wrapped = this.periodic.get(node);
    const source = wrapped && this.plain(wrapped.source);
    const periodic = wrapped && source ? periodicSum(node, source, wrapped.stage) : null;
    if (periodic) {
      return periodic.strides.some((s) => s !== 1)
        ? { ...wait, sum: periodic }
        : { ...wait, made: this.added(node, periodic) };
    }
    if (isAffine(node, this.flow.varies)) {
      const moved = this.relaid(node);
      if (moved) return { ...wait, made: moved };
      if (this.readsWhole(node)) return wait;
      const sum = windowSum(this, node, (x) => this.plain(x));
      if (!sum) return wait;
      if (sum.strides.some((s) => s !== 1)) return { ...wait, sum };
      return { ...wait, made: this.added(node, sum) };
    }
    const varies = node.inputs.map((x) => this.flow.varies.has(x));
    if (varies.filter(Boolean).length !== 1) return `${operatorOf(node)} of several varying inputs`;
    const image = this.images.get(node.inputs[varies.indexOf(true)]) as Image;
    const behaviour = node.op.behaviour(node, varies);
    const name = operatorOf(node);
    const pairs = sortedPairs(node);
    if (pairs) {
      const channels = sortedChannels(image, pairs);
      return { ...wait, made: channels && { ...image, ...this.build.sort(image, channels, name) } };
    }
    if (behaviour.kind === "smooth") {
      const windows = windowsOf(node);
      if (windows && isPlain(image)) {
        if (windows.strides.some((s) => s !== 1)) return { ...wait, pool: windows };
        const { map, sides } = poolTaps(image, windows, node);
        this.need(sides);
        const stacked = this.build.affine(name, map.rows, [{ value: image, map }]);
        return { ...wait, made: this.pooled(stacked, map, image, node) };
      }
      // Whatever it does, what is 0 outside and stays where it is has the constant on the whole grid.
      return wait;
    }
    if (behaviour.kind !== "pointwise") return `${name} has no constant`;
    const [low, high] = behaviour.slope;
    if (!Number.isFinite(low) || !Number.isFinite(high)) return `${name} has no constant`;
    // A slope of 0 outside crops; one that is not there is allowed where zeros are needed.
    const crops = this.needsZeros(node);
    const [a, b] = crops ? [Math.min(low, 0), Math.max(high, 0)] : [low, high];
    const v = this.build.materialise(image, name);
    const n = v.channels;
    const value = this.build.pointwise(v, new Float64Array(n).fill(a), new Float64Array(n).fill(b), name);
    return { ...wait, made: { ...image, ...value, cropped: a <= 0 && b >= 0 } };
  }

  /** A window as large as the image: a dense map, for which no grid is needed. */
  private readsWhole(node: Node): boolean {
    const of = (x: Node) => sizeOf(x.shape.slice(2));
    const varying = node.inputs.filter((x) => this.flow.varies.has(x));
    return node.shape.length > 2 && of(node) === 1 && varying.every((x) => x.shape.length > 2 && of(x) > 1);
  }

  /** An affine node that only gives the numbers of one image another order. */
  private relaid(node: Node): Image | null {
    const varying = node.inputs.flatMap((x, i) => (this.flow.varies.has(x) ? [i] : []));
    if (varying.length !== 1) return null;
    const image = this.images.get(node.inputs[varying[0]]) as Image;
    const behaviour = node.op.behaviour(
      node,
      node.inputs.map((_, k) => k === varying[0]),
    );
    if (behaviour.kind !== "isometry") return null;
    const moved = movedNumbers(this.flow, node, varying[0]);
    if (!moved || moved.rows !== moved.cols || moved.factors.some((f) => f !== 1)) return null;
    const layout = image.layout ? moved.from.map((k) => (image.layout as Int32Array)[k]) : moved.from;
    const { layout: _, ...rest } = image;
    return layout.every((at, k) => at === k) ? rest : { ...rest, layout };
  }

  /** The image of a value in the shape that a node gives it: [1, channels, ...space] in this order; null where it is none. */
  private plain(x: Node): Image | null {
    const image = this.images.get(x);
    if (!image) return null;
    const [one, channels, ...space] = x.shape;
    if (one !== 1 || channels !== image.map.rows || space.join() !== image.space.join()) return null;
    return isPlain(image) ? image : null;
  }

  /** What a sum reads, with zeros outside where that is needed. */
  private prepared({ image, axes }: WindowSum["terms"][number], name: string): Image {
    this.need(axes.map(leastSide));
    if (!axes.some(readsOutside) || image.cropped) return image;
    return this.crop(image, name);
  }

  private crop(image: Image, name: string): Image {
    const z = this.build.sector(this.build.materialise(image, name), `${name} cropped`);
    return { ...image, ...whole(z), cropped: true };
  }

  private staysCropped(sum: WindowSum, prepared: readonly Image[]): boolean {
    return sum.terms.every(({ axes }, k) => prepared[k].cropped && !axes.some(spills));
  }

  private added(node: Node, sum: WindowSum): Image {
    const name = operatorOf(node);
    const prepared = sum.terms.map((term) => this.prepared(term, name));
    const cropped = this.staysCropped(sum, prepared);
    const [only] = sum.terms;
    if (sum.terms.length === 1 && only.map.kind === "places" && !sum.factors) {
      const map = after(only.map, prepared[0].map) as Places;
      return { variable: prepared[0].variable, map, space: sum.space, cropped };
    }
    const to = this.build.affine(
      name,
      sum.channels,
      sum.terms.map(({ map }, k) => ({ value: prepared[k], map })),
    );
    return this.factored(node, sum, { ...whole(to), space: sum.space, cropped });
  }

  private factored(node: Node, { factors }: WindowSum, image: Image): Image {
    if (!factors) return image;
    const [low, high] = factors;
    const n = image.variable.channels;
    const crops = this.needsZeros(node);
    const least = new Float64Array(n).fill(crops ? 0 : low);
    const value = this.build.pointwise(image.variable, least, new Float64Array(n).fill(high), operatorOf(node));
    return { ...image, ...value, cropped: crops || image.cropped };
  }

  /** May something that reads the node, or what is made of it without an activation, need zeros outside? */
  private needsZeros(node: Node): boolean {
    return (this.readers.get(node) ?? []).some((reader) => {
      const varies = reader.inputs.map((x) => this.flow.varies.has(x));
      const behaviour = reader.op.behaviour(reader, varies);
      if (behaviour.kind === "smooth") return windowsOf(reader)?.pads.some((p) => p > 0) ?? false;
      if (behaviour.kind === "linear" && (behaviour.of.form === "convolution" || behaviour.of.form === "bounded")) {
        const pads = behaviour.of.form === "convolution" ? behaviour.of.pads : behaviour.of.sums?.pads;
        if (behaviour.of.form === "convolution" && behaviour.of.direction === "adjoint") return true;
        if (pads?.some((p) => p > 0)) return true;
      }
      return isAffine(reader, this.flow.varies) && this.needsZeros(reader);
    });
  }

  /** The largest of what the taps of a pool read. */
  private pooled(stacked: Variable, { taps }: Kernel, image: Image, node: Node): Image {
    const value = tournament(this.build, stacked, taps.length, image.map.rows, operatorOf(node));
    return { ...value, space: node.shape.slice(2), cropped: image.cropped };
  }

  /** All nodes that read with these strides, at once, and what else is alive after them. */
  private stride(
    together: readonly { readonly node: Node; readonly sum: WindowSum | null; readonly pool: Windows | null }[],
    strides: readonly number[],
    left: Set<Node>,
  ): string | null {
    const now = new Set(together.map(({ node }) => node));
    for (const node of this.images.keys()) {
      const late = (this.readers.get(node) ?? []).some((r) => left.has(r) && !now.has(r));
      if (late || node === this.flow.output) return `${operatorOf(node)} is read on two grids`;
    }
    const made: Sum[] = [];
    const after: (() => void)[] = [];
    for (const { node, sum, pool } of together) {
      const name = operatorOf(node);
      if (pool) {
        const image = this.images.get(node.inputs[0]) as Image;
        const { map, sides } = poolTaps(image, pool, node);
        this.need(sides);
        const to = this.build.variable(map.rows, name);
        made.push({ to, terms: [this.build.term({ value: image, map }, name)] });
        after.push(() => this.images.set(node, this.pooled(to, map, image, node)));
      } else if (sum) {
        const prepared = sum.terms.map((term) => this.prepared(term, name));
        const cropped = this.staysCropped(sum, prepared);
        const to = this.build.variable(sum.channels, name);
        made.push({ to, terms: sum.terms.map(({ map }, k) => this.build.term({ value: prepared[k], map }, name)) });
        after.push(() => this.images.set(node, this.factored(node, sum, { ...whole(to), space: sum.space, cropped })));
      }
    }
    this.coarser.push({ at: this.build.actions.length, strides });
    this.build.actions.push({ kind: "coarsen", sides: [], made });
    this.strides = this.strides.map((s, i) => s * strides[i]);
    for (const set of after) set();
    for (const { node } of together) {
      left.delete(node);
      this.need((this.images.get(node) as Image).space);
    }
    return null;
  }

  /** What is left reads all places at once. */
  private dense(left: ReadonlySet<Node>): Program | string {
    const made: Sum[] = [];
    const values = new Map<Node, Value>();
    const rest = new Set(left);
    const ready = [...left].filter((node) => node.inputs.every((x) => !left.has(x)));
    for (const node of ready) {
      const varying = node.inputs.flatMap((x, i) => (this.flow.varies.has(x) ? [i] : []));
      if (!isAffine(node, this.flow.varies)) continue;
      const terms = varying.map((i) => {
        const image = this.images.get(node.inputs[i]) as Image;
        const kernel = this.wholeSums(node, i) ?? this.overPlaces(node, i, image);
        return kernel && this.build.term({ value: image, map: kernel }, operatorOf(node));
      });
      if (terms.some((t) => t === null)) continue;
      const to = this.build.variable(sizeOf(node.shape), operatorOf(node));
      made.push({ to, terms: terms.filter((t) => t !== null) });
      values.set(node, whole(to));
      rest.delete(node);
    }
    // What others read is written out, number by number.
    for (const [node, image] of this.images) {
      if (!(this.readers.get(node) ?? []).some((r) => rest.has(r))) continue;
      const size = sizeOf(node.shape);
      if (size > mostFlat) return `${operatorOf(node)} is too large to be written out number by number`;
      const to = this.build.variable(size, operatorOf(node));
      const eye = new Float64Array(size * size);
      for (let i = 0; i < size; i++) eye[i * (size + 1)] = 1;
      const kernel = overPlaces(
        { kind: "kernel", rows: size, cols: size, taps: [{ shift: [], weight: eye }], error: 0 },
        image,
      );
      made.push({ to, terms: [this.build.term({ value: image, map: kernel }, operatorOf(node))] });
      values.set(node, whole(to));
    }
    this.build.actions.push({ kind: "coarsen", sides: [], made });
    for (const node of this.flow.varying) {
      if (!rest.has(node)) continue;
      const value = denseValue(this.build, this.flow, this.norms, node, values);
      if (typeof value === "string") return value;
      values.set(node, value);
    }
    const output = this.build.materialise(values.get(this.flow.output) as Value, "output");
    return this.closed(output);
  }

  private overPlaces(node: Node, i: number, image: Image): Kernel | null {
    const map = nodeMap(this.flow, this.norms, node, i);
    return map?.kind === "kernel" ? overPlaces(map, image) : null;
  }

  /** A node that adds up all places of each channel, as global pooling does. */
  private wholeSums(node: Node, i: number): Kernel | null {
    const image = this.plain(node.inputs[i]);
    const behaviour = node.op.behaviour(
      node,
      node.inputs.map((_, k) => k === i),
    );
    if (!image || behaviour.kind !== "linear" || behaviour.of.form !== "bounded") return null;
    const { sums: of } = behaviour.of;
    if (!of || of.high > of.low * (1 + 1e-12) || of.pads.some((p) => p > 0)) return null;
    if (of.kernel.join() !== image.space.join() || sizeOf(node.shape) !== image.map.rows) return null;
    const { map } = sums(
      of,
      image,
      of.kernel.map(() => 1),
    );
    return timesFactor(map, (of.low + of.high) / 2, of.high / of.low - 1);
  }

  private finish(image: Image): Program | string {
    return this.closed(this.build.materialise(image, "output"));
  }

  /** The grids, as small as they may be. */
  private closed(output: Variable): Program | string {
    const total = this.strides;
    const coarse = total.map((t, i) =>
      this.least.reduce((most, { strides, sides }) => Math.max(most, Math.ceil((sides[i] * strides[i]) / t)), 1),
    );
    const sides = coarse.map((m, i) => m * total[i]);
    if (this.periodic.size > 0 && sides.some((m, i) => m !== this.space[i])) {
      return "zeros stand around some images, and others go on where they end";
    }
    let now = sides;
    const actions = this.build.actions.map((action, at): Action => {
      const step = this.coarser.find((c) => c.at === at);
      if (!step || action.kind !== "coarsen") return action;
      now = now.map((m, i) => m / step.strides[i]);
      return { ...action, sides: now };
    });
    return programOf(sides, this.input, output, actions);
  }
}

/** Numbers of a tensor that is written out although no dense map reads it. */
const mostFlat = 1024;
