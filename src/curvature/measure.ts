/** @file The curvature of a network at samples: what LCNN is judged by. Each number is seen at a sample, and says nothing of the places between. */
import { lengthOf } from "../bounds/length.ts";
import { subjectOf } from "../bounds/subject.ts";
import type { Network } from "../graph/network.ts";
import { UsageError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import type { DType } from "../tensor/tensor.ts";
import { decisive, openPoints, type PointOptions, type Scalar } from "./points.ts";
import { type Smoothness, smoothnessOf } from "./smoothness.ts";
import { lanczos, powerMethod } from "./spectrum.ts";
import { type Summary, summarise } from "./summary.ts";

export interface CurvatureOptions extends PointOptions {
  /** How the Hessian's norm is found: "lanczos" (default), or "power", the method as published. */
  readonly method?: "lanczos" | "power";
  /** Hessian-vector products: at most this many for lanczos (default 30), this many and one for power (default 10). */
  readonly steps?: number;
  /** lanczos stops where every norm is known to this part of itself; default 1e-4. */
  readonly tolerance?: number;
}

export interface SampleCurvature {
  readonly index: number;
  /** What the sample is called where it comes from. */
  readonly id?: string;
  /** -1 for a regression. */
  readonly label: number;
  /** ||g||, g the gradient at the sample. */
  readonly gradient: number;
  /** ||H||, H the Hessian there. */
  readonly hessian: number;
  /** ||H|| / (||g|| + 1e-6). */
  readonly curvature: number;
  /** The ends of H's spectrum, with their signs; null from the power method. */
  readonly smallest: number | null;
  readonly largest: number | null;
  /** H has an eigenvalue within this of each number found. */
  readonly residual: number;
}

/** What was measured, as plain data. */
export interface Curvature {
  readonly of: Scalar;
  readonly method: "lanczos" | "power";
  readonly steps: number;
  readonly dtype: DType;
  /** What second derivatives of the outputs can say at all. */
  readonly smoothness: Smoothness;
  readonly gradient: Summary;
  readonly hessian: Summary;
  readonly curvature: Summary;
  readonly samples: readonly SampleCurvature[];
}

/** Keeps the normalised curvature finite where the gradient vanishes: that of the published code. */
export const gradientFloor = 1e-6;

/**
 * Measure the normalised curvature of a scalar s(x) of each sample,
 *
 *     C(x) = ||H(x)|| / (||g(x)|| + 1e-6),   g = ds/dx,  H = d2s/dx2,  both in l2,
 *
 * H by products with vectors only. Units: those of the data, 1 / x. Dividing by the gradient makes C the same for s and any multiple.
 * The norm is an estimate from below. Where `smoothness.kind` is "piecewise linear", the outputs have no second derivative and only the
 * loss bends. The mean is over all samples; the published code divides a sum over whole batches by the number of all samples.
 *
 * Reference: Srinivas, Matoba, Lakkaraju and Fleuret 2022, definition 1 and section 4.
 */
export async function curvature(network: Network, options: CurvatureOptions): Promise<Curvature> {
  const { of = "loss", method = "lanczos", dtype = "float64", seed = 0, tolerance = 1e-4 } = options;
  const steps = options.steps ?? (method === "power" ? 10 : 30);
  if (!(Number.isInteger(steps) && steps >= 1)) {
    throw new UsageError(`curvature: steps must be a whole number >= 1, got ${steps}`);
  }
  const precision = dtype === "float64" ? 2 ** -44 : 2 ** -18;
  const subject = subjectOf(decisive(network, options));
  const ids = options.data?.ids;
  const points = await openPoints(subject, options);
  const source = random(seed).fork("directions");
  const samples: SampleCurvature[] = [];
  try {
    const { programs } = points;
    const { size, samples: width } = programs.layout;
    for await (const { first, count, x, u } of points.batches()) {
      const g = await programs.gradient(x, u);
      const products = { samples: width, first, size, product: (v: Float64Array) => programs.product(x, u, v) };
      const found =
        method === "power"
          ? await powerMethod(products, steps, source)
          : await lanczos(products, source, { steps, tolerance, precision });
      for (let s = 0; s < count; s++) {
        const gradient = lengthOf(g.subarray(s * size, (s + 1) * size), 2);
        const { norm, ...rest } = found[s];
        samples.push({
          index: first + s,
          ...(ids && { id: ids[first + s] }),
          label: points.labels[first + s],
          gradient,
          hessian: norm,
          curvature: norm / (gradient + gradientFloor),
          ...rest,
        });
      }
    }
  } finally {
    await points.dispose();
  }
  return {
    of,
    method,
    steps,
    dtype,
    smoothness: smoothnessOf(subject),
    gradient: summarise(samples.map((s) => s.gradient)),
    hessian: summarise(samples.map((s) => s.hessian)),
    curvature: summarise(samples.map((s) => s.curvature)),
    samples,
  };
}
