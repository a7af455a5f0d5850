/**
 * @file What is proved of an image that is turned, shifted or scaled: the range of every parameter in which the decision stays, and whether it stays for all of
 * them at once. Cells of parameters are proved one by one, by the certified radius around the image in their middle, and cut where that is too short.
 */
import type { TransformAttacked } from "../attack/geometric.ts";
import {
  imageShape,
  type Limits,
  type Parameter,
  type TransformName,
  type Transforms,
  transformsOf,
} from "../attack/transforms.ts";
import type { Dataset } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { up } from "../linalg/rounding.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Certification, certifier } from "./evaluate.ts";
import type { LocalEffort } from "./local.ts";
import { type Cell, imageMotion } from "./motion.ts";

export interface RangeOptions {
  readonly engine: Engine;
  /** Images, samples [channels, height, width]. */
  readonly data: Dataset;
  readonly transforms: readonly TransformName[];
  /** How far is looked, by the name of a parameter or of a transformation; defaults in `transformsOf`. */
  readonly limits?: Limits;
  /** A range is cut down to pieces of the limit over this, a power of 2; default 128. */
  readonly resolution?: number;
  /** Cells into which the box of all parameters together is cut, for each sample; default 0: it is not asked for. */
  readonly parts?: number;
  /** In l2, the work of seeking constants for pairs of classes, in seconds at a nominal speed; default none. */
  readonly seconds?: number;
  /** Should the linear walk around the image in the middle of each cell enlarge its radius? It takes seconds an image where constants say little. Default "off". */
  readonly local?: "off" | LocalEffort;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

export interface RangedSample {
  readonly index: number;
  /** What the sample is called where it comes from. */
  readonly id?: string;
  readonly label: number;
  /** The decision on the image as it is. */
  readonly predicted: number;
  /** Of each parameter, the others 0: for all values from low to high the decision is the same; low <= 0 <= high. Both 0 where the image itself has no radius. */
  readonly ranges: readonly (readonly [low: number, high: number])[];
  /** For all parameters at once within their limits: proved, changed by a transformation that was met, or left open. */
  readonly box?: "proved" | "changed" | "open";
}

/** What is proved of transformed images, as plain data. */
export interface Ranges {
  readonly transforms: readonly TransformName[];
  readonly parameters: readonly Parameter[];
  readonly constant: Certification["constant"];
  /** What every logit may err by in float64. */
  readonly allowance: number;
  readonly accuracy: number;
  /** For each parameter, the part of the samples that are right and whose range is all that was looked at; and the mean width of ranges, wrong samples counting 0. */
  readonly certified: readonly { readonly name: string; readonly whole: number; readonly meanWidth: number }[];
  /** The part that are right and proved in the box, and those that nothing changed there, where it was asked for. */
  readonly box?: { readonly proved: number; readonly atMost: number };
  readonly samples: readonly RangedSample[];
}

/**
 * Prove for every image in which range of an angle, a shift or a factor its decision stays.
 *
 *     decision(x(theta)) = y  for all theta of a cell,  if  radius(x(theta_0)) > max over theta of the cell of ||x(theta) - x(theta_0)||_2
 *
 * radius: certified in l2 (`certify`: pair constants, with `local` the linear walk too, rounding of margins included); the motion: `imageMotion`. Ranges grow from 0 outwards, cell by cell; one that is not proved is
 * cut in two until its width is limit / resolution. The transformed image is that of exact bilinear interpolation with zeros around, or that rounded to float32; the network is that of exact arithmetic.
 * Throws UsageError for samples that are no images, and where the network has no constant.
 */
export async function certifyRanges(network: Network, options: RangeOptions): Promise<Ranges> {
  const { data, resolution = 128, parts = 0, seconds, local = "off", signal, onProgress } = options;
  const engine = needEngine("certifyRanges", options.engine);
  if (!(Number.isInteger(Math.log2(resolution)) && resolution >= 4))
    throw new UsageError(`certifyRanges: resolution must be a power of 2, >= 4, got ${resolution}`);
  if (!(Number.isInteger(parts) && parts >= 0))
    throw new UsageError(`certifyRanges: parts must be a whole number >= 0, got ${parts}`);
  const transforms = transformsOf(options.transforms, options.limits);
  const shape = imageShape("certifyRanges", data.shape);
  const ask = await certifier(network, {
    engine,
    data,
    norm: 2,
    local,
    order: "first",
    ...(seconds ? { seconds } : {}),
    signal,
  });
  const own = await ask({ data, signal });
  const size = data.x.length / data.count;
  const predicted = own.samples.map((s) => s.predicted);
  const rounding = up(2 ** -23 * Math.sqrt(size) * data.x.reduce((most, v) => Math.max(most, Math.abs(v)), 0));
  const question: Question = {
    transforms,
    async judge(cells) {
      signal?.throwIfAborted();
      const moves = cells.map(({ sample, cell }) =>
        imageMotion(data.x.subarray(sample * size, (sample + 1) * size), shape, transforms, cell),
      );
      const { samples } = await ask({
        data: imagesOf(
          data,
          moves.map((m) => m.image),
        ),
        signal,
      });
      return samples.map(({ predicted: there, radius }, k) => ({
        same: there === predicted[cells[k].sample],
        // Also of the image as float32 holds it, and so that float64 sees the same.
        proved: there === predicted[cells[k].sample] && radius * (1 - 2 ** -20) > up(moves[k].distance + rounding),
        shares: moves[k].shares,
      }));
    },
  };
  const { parameters } = transforms;
  // An image whose decision hangs on rounding has no range.
  const steady = own.samples.flatMap((s, i) => (s.radius > 0 ? [i] : []));
  const ranges: [number, number][][] = own.samples.map(() => parameters.map(() => [0, 0]));
  const ways = steady.flatMap((sample) =>
    parameters.flatMap(({ limit }, k) => [-limit, limit].map((end) => ({ sample, k, end }))),
  );
  const share = parts > 0 ? 0.5 : 1;
  const reached = await outwards(question, ways, resolution, (part) => onProgress?.(share * part));
  for (const [w, { sample, k, end }] of ways.entries()) ranges[sample][k][end < 0 ? 0 : 1] = reached[w];
  const boxes =
    parts > 0
      ? await boxed(
          question,
          own.samples.map((s) => s.radius > 0),
          parts,
        )
      : null;
  onProgress?.(1);
  const right = own.samples.map((s) => s.predicted === s.label);
  const part = (holds: (i: number) => boolean) => right.filter((is, i) => is && holds(i)).length / data.count;
  return {
    transforms: transforms.names,
    parameters,
    constant: own.constant,
    allowance: own.allowance,
    accuracy: own.accuracy,
    certified: parameters.map(({ name, limit }, k) => ({
      name,
      whole: part((i) => ranges[i][k][0] === -limit && ranges[i][k][1] === limit),
      meanWidth: ranges.reduce((sum, own, i) => sum + (right[i] ? own[k][1] - own[k][0] : 0), 0) / data.count,
    })),
    ...(boxes && {
      box: { proved: part((i) => boxes[i] === "proved"), atMost: part((i) => boxes[i] !== "changed") },
    }),
    samples: own.samples.map(({ index, id, label, predicted: decision }, i) => ({
      index,
      ...(id !== undefined && { id }),
      label,
      predicted: decision,
      ranges: ranges[i],
      ...(boxes && { box: boxes[i] }),
    })),
  };
}

/** A decision that changed inside of what is proved of its image. */
export interface RangeViolation {
  readonly index: number;
  readonly parameters: readonly number[];
  /** `proof`: in float64 too, so that a proof is wrong: a bug. `rounding`: only in float32. */
  readonly kind: "proof" | "rounding";
}

/**
 * Find every attacked image whose transformation lies inside its proved range (of a single parameter) or box. Both must be of the same network on the same data, by the
 * same transformations; the attack may be on its first samples only. An empty list proves nothing: attacks may have missed.
 */
export function rangeViolations(
  ranges: Pick<Ranges, "transforms" | "parameters" | "samples">,
  attacked: Pick<TransformAttacked, "transforms" | "parameters" | "samples">,
): readonly RangeViolation[] {
  if (ranges.transforms.join() !== attacked.transforms.join()) {
    throw new UsageError(
      `rangeViolations: transformations must match, got ranges of ${ranges.transforms.join(", ")}, attacks by ${attacked.transforms.join(", ")}`,
    );
  }
  const byIndex = new Map(ranges.samples.map((s) => [s.index, s]));
  return attacked.samples.flatMap((sample): RangeViolation[] => {
    const own = byIndex.get(sample.index);
    if (!own) throw new UsageError(`rangeViolations: missing among the ranges: sample ${sample.index}`);
    const { index, parameters, confirmed } = sample;
    if (!parameters) return [];
    // The range is of one parameter: all others must stand still.
    const moving = parameters.flatMap((v, k) => (v !== 0 ? [k] : []));
    const alone =
      moving.length === 1 &&
      parameters[moving[0]] >= own.ranges[moving[0]][0] &&
      parameters[moving[0]] <= own.ranges[moving[0]][1];
    const together = own.box === "proved" && parameters.every((v, k) => Math.abs(v) <= ranges.parameters[k].limit);
    if (!alone && !together) return [];
    return [{ index, parameters, kind: confirmed ? "proof" : "rounding" }];
  });
}

// --- internal ---

interface Question {
  readonly transforms: Transforms;
  judge(cells: readonly { readonly sample: number; readonly cell: Cell }[]): Promise<
    readonly {
      /** Is the decision in the middle that on the image? */
      readonly same: boolean;
      readonly proved: boolean;
      readonly shares: readonly number[];
    }[]
  >;
}

/** Images by what they are alone, under the data's own form. */
function imagesOf(data: Dataset, images: readonly Float32Array[]): Dataset {
  const x = new Float32Array(images.length * (data.x.length / data.count));
  images.forEach((image, k) => {
    x.set(image, k * image.length);
  });
  const { ids: _, ...rest } = data;
  return { ...rest, x, count: images.length, labels: new Int32Array(images.length) };
}

/** Images that are judged at once: not so many that they fill the memory. */
const together = 1024;

/** From 0 along one parameter, the others 0. */
interface Way {
  readonly sample: number;
  readonly k: number;
  readonly end: number;
}

/** How far along each way the decision is proved to stay. All ways go on together, so that many images are judged at once. */
async function outwards(
  { judge, transforms }: Question,
  ways: readonly Way[],
  resolution: number,
  onProgress: (part: number) => void,
): Promise<number[]> {
  // Places are multiples of end / resolution, so that neighbours meet exactly.
  const place = (n: number, end: number): number => (n === resolution ? end : (end / resolution) * n);
  const cell = ({ from, to }: Piece, { k, end }: Way): Cell => {
    const [a, b] = [place(from, end), place(to, end)];
    const middle = (a + b) / 2;
    const alone = (value: number) => transforms.parameters.map((_, i) => (i === k ? value : 0));
    return { middle: alone(middle), half: alone(up(Math.max(Math.abs(middle - a), Math.abs(b - middle)))) };
  };
  const step = resolution / 4;
  const open = ways.map((): Piece[] =>
    Array.from({ length: 4 }, (_, i) => ({ from: i * step, to: (i + 1) * step, state: "open" })),
  );
  const rounds = Math.log2(step) + 1;
  for (let round = 1; ; round++) {
    const asked = open.flatMap((pieces, w) => {
      const stop = pieces.findIndex(({ state }) => state === "failed");
      return pieces
        .slice(0, stop < 0 ? pieces.length : stop)
        .flatMap((piece) => (piece.state === "open" ? [{ w, piece }] : []));
    });
    if (asked.length === 0) break;
    for (let first = 0; first < asked.length; first += together) {
      const some = asked.slice(first, first + together);
      const found = await judge(some.map(({ w, piece }) => ({ sample: ways[w].sample, cell: cell(piece, ways[w]) })));
      some.forEach(({ w, piece }, i) => {
        const { from, to } = piece;
        const middle = (from + to) / 2;
        if (found[i].proved) piece.state = "proved";
        else if (to - from <= 1) piece.state = "failed";
        else {
          // Nothing is proved across a middle that is decided otherwise.
          const outer: Piece = { from: middle, to, state: found[i].same ? "open" : "failed" };
          open[w].splice(open[w].indexOf(piece), 1, { from, to: middle, state: "open" }, outer);
        }
      });
      onProgress(Math.min(1, (round - 1 + (first + some.length) / asked.length) / rounds));
    }
  }
  return open.map((pieces, w) => {
    const stop = pieces.find(({ state }) => state === "failed");
    return stop === undefined ? ways[w].end : stop.from === 0 ? 0 : place(stop.from, ways[w].end);
  });
}

type State = "open" | "proved" | "failed";

interface Piece {
  readonly from: number;
  readonly to: number;
  state: State;
}

/** Cut the box of all parameters until each part is proved, or one is changed, or there are too many. */
async function boxed(
  { judge, transforms: { parameters } }: Question,
  steady: readonly boolean[],
  parts: number,
): Promise<("proved" | "changed" | "open")[]> {
  const whole: Cell = { middle: parameters.map(() => 0), half: parameters.map(({ limit }) => limit) };
  const states = steady.map((is): "proved" | "changed" | "open" => (is ? "proved" : "open"));
  const counted = steady.map(() => 0);
  let cells = steady.flatMap((is, sample) => (is ? [{ sample, cell: whole }] : []));
  while (cells.length > 0) {
    const next: typeof cells = [];
    for (let first = 0; first < cells.length; first += together) {
      const some = cells.slice(first, first + together).filter(({ sample }) => states[sample] === "proved");
      if (some.length === 0) continue;
      const found = await judge(some);
      some.forEach(({ sample, cell }, i) => {
        counted[sample]++;
        const { same, proved, shares } = found[i];
        if (proved || states[sample] !== "proved") return;
        if (!same) states[sample] = "changed";
        else if (counted[sample] >= parts) states[sample] = "open";
        else {
          const k = shares.indexOf(Math.max(...shares));
          const half = cell.half.map((h, j) => (j === k ? h / 2 : h));
          for (const side of [-1, 1]) {
            const middle = cell.middle.map((m, j) => (j === k ? m + side * half[j] : m));
            // Halving is exact; moving the middle may round, and the parts must still meet.
            const wide = half.map((h, j) => (j === k ? up(h + Math.abs(middle[j]) * 2 ** -52) : h));
            next.push({ sample, cell: { middle, half: wide } });
          }
        }
      });
    }
    cells = next.filter(({ sample }) => states[sample] === "proved");
  }
  return states;
}
