/** @file A network that is there brought under a prescribed Lipschitz constant without training: its output is made smaller until the proved bound is. */
import { maybeNorm, type Norm, provedUpper, type UpperBound } from "../bounds/bound.ts";
import { lipschitz } from "../bounds/index.ts";
import { applies, boundNames, methodOf } from "../bounds/methods.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { gammaKey } from "../layers/bounded.ts";
import type { ModelSource } from "../onnx/file.ts";
import { readingOf } from "../onnx/read.ts";
import { renumbered } from "../onnx/renumber.ts";
import { type Scaling, scalingOf } from "../onnx/scaling.ts";
import { InternalError, UsageError } from "../tensor/errors.ts";
import { type Tensor, toFloat64 } from "../tensor/tensor.ts";
import { matching, originKey } from "./retrofit.ts";

export interface ProjectOptions {
  readonly engine: Engine;
  /** The constant that shall be proved, above 0. */
  readonly gamma: number;
  /** 1, 2 (default) or "inf", for inputs and outputs. */
  readonly norm?: Norm | "1" | "2";
  /** Of the bytes of the file: written into what comes out. */
  readonly sha256: string;
  /** Initialisers that must stay, as `retrofit` reads them: that they are in the way is a UsageError. */
  readonly frozen?: readonly string[];
  /** Names of the upper bounds that are asked for the constant. Default: the usual ones of `lipschitz`. */
  readonly methods?: readonly string[];
  /** What stands in front of the network: the constant is that of both. Default: the identity. */
  behind?(network: Network): Network;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

export interface Projected {
  /** The file with other numbers. */
  readonly bytes: Uint8Array;
  readonly before: UpperBound;
  /** Proved of these bytes: at most gamma. */
  readonly after: UpperBound;
  /** What the input of what follows the last affine layer is multiplied by; 1 where the bound held already. */
  readonly factor: number;
  readonly scaling: Scaling;
}

/**
 * Rescale a model so that a Lipschitz constant of at most gamma is proved of it. Its output (its logits, in front of a softmax) is multiplied by one factor, so
 * that decisions stay what they are, and margins shrink with the constant: certified radii stay, too, up to the rounding of the numbers that are stored. Throws
 * UsageError where it has no constant, or no affine layer at its end.
 */
export async function projected(source: ModelSource, options: ProjectOptions): Promise<Projected> {
  const { bytes, ...asked } = source;
  const { gamma, sha256, frozen = [], behind = (network) => network, signal, onProgress } = options;
  const engine = needEngine("project", options.engine);
  if (!(gamma > 0 && Number.isFinite(gamma))) throw new UsageError(`project: gamma must be above 0, got ${gamma}`);
  const norm = maybeNorm(options.norm ?? 2);
  const reading = readingOf(bytes, asked);
  const who = reading.network.name;
  const scaling = scalingOf(reading);
  for (const name of matching(who, [...reading.tensors.keys()], frozen)) {
    if (scaling.exponents.has(name)) {
      throw new UsageError(
        `${who}: "${name}" is frozen, and its numbers have to be rescaled; leave it out of --freeze`,
      );
    }
  }
  const methods = options.methods ?? usualUppers(norm);
  const proved = async (network: Network, from: number): Promise<UpperBound> => {
    const bracket = await lipschitz(behind(network), {
      engine,
      norm,
      methods,
      ...(signal && { signal }),
      onProgress: (part) => onProgress?.(from + part / 2),
    });
    const bound = provedUpper(bracket);
    if (bound) return bound;
    const { noConstant } = bracket;
    const why = noConstant ? `node ${noConstant.node}: ${noConstant.why}` : "no bound is finite";
    throw new UsageError(`${who}: a network that is rescaled must have a proved constant, got none: ${why}`);
  };
  const at = (factor: number) =>
    renumbered(bytes, scaledBy(reading.tensors, scaling, factor), {
      ...(asked.external && { external: asked.external }),
      metadata: { [originKey]: sha256, [gammaKey]: null },
    });
  const before = await proved(reading.network, 0);
  let [factor, made, after] = [1, at(1), before];
  // Where bounds scale with the factor the first is the last; what follows the last layer may bend, and stored numbers are rounded.
  for (let round = 0; !(after.value <= gamma); round++) {
    if (round === rounds) {
      throw new InternalError(
        `project: the bound stays at ${after.value} above ${gamma} after ${rounds} rescalings by ${factor}`,
      );
    }
    factor *= (gamma / after.value) * (1 - 2 ** -20 * 4 ** round);
    made = at(factor);
    after = await proved(readingOf(made, asked).network, 0.5);
  }
  return { bytes: made, before, after, factor, scaling };
}

// --- internal ---

const everywhere = { kind: "global" } as const;

const rounds = 8;

const usualUppers = (norm: Norm): readonly string[] =>
  boundNames.filter((name) => {
    const { side, usual } = methodOf(name);
    return side === "upper" && applies(name, norm, everywhere) && usual(norm, everywhere);
  });

function scaledBy(
  tensors: ReadonlyMap<string, Tensor>,
  { exponents, layers }: Scaling,
  factor: number,
): ReadonlyMap<string, Tensor> {
  if (factor === 1) return new Map();
  return new Map(
    [...exponents].map(([name, exponent]) => {
      const { shape, ...own } = tensors.get(name) as Tensor;
      const by = factor ** (exponent / layers);
      return [name, { dtype: "float64", shape, data: toFloat64({ shape, ...own }).map((v) => v * by) }];
    }),
  );
}
