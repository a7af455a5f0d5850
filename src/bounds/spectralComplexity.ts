/** @file The spectral complexity of a chain: the product of spectral norms times a factor for how far the weights are from a reference. Every norm is proved, and so is their combination. */
import type { Network } from "../graph/network.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { spectralNorm } from "../linalg/norm.ts";
import { down, sqrtUp, sumUp, up } from "../linalg/rounding.ts";
import { UsageError } from "../tensor/errors.ts";
import { propagate } from "./autoLip.ts";
import { budget } from "./budget.ts";
import { steepestOf } from "./chain/frobenius.ts";
import { chainSuffix } from "./chain/question.ts";
import { fusedFlow } from "./patterns/fuse.ts";
import { subjectOf } from "./subject.ts";

/** Of one affine map, and of the activation behind it. */
export interface ComplexityLayer {
  /** Of its matrix: outputs and inputs. */
  readonly shape: readonly [number, number];
  /** At least ||A_i||_2. */
  readonly norm: number;
  /** At least ||A_i^T - M_i^T||_{2,1}: the sum over the outputs of the lengths of their weights. */
  readonly group: number;
  /** At least the Lipschitz constant rho_i of the activation; 1 behind the last map. */
  readonly activation: number;
}

export interface SpectralComplexity {
  /** At least R_A: proved, rounding included. */
  readonly value: number;
  readonly layers: readonly ComplexityLayer[];
}

/**
 * The spectral complexity of a network of affine maps A_i and activations in turn,
 *
 *     R_A = (prod_i rho_i ||A_i||_2) (sum_i (||A_i^T - M_i^T||_{2,1} / ||A_i||_2)^{2/3})^{3/2},
 *
 * with reference matrices M_i: 0, or those of another network of the same layers (that of the start, for example). Biases have no part in it. Convolutions count as the matrices that they are, and what a shortcut passes on counts as rows of them. A string
 * says why a network is no such chain. Throws UsageError where the reference has other layers.
 * Reference: Bartlett, Foster and Telgarsky 2017, theorem 1.1 and equation 1.2.
 */
export async function spectralComplexity(network: Network, reference?: Network): Promise<SpectralComplexity | string> {
  const own = await matricesOf(network);
  if (typeof own === "string") return own;
  const other = reference && (await matricesOf(reference));
  if (typeof other === "string") return `the reference is no chain: ${other}`;
  if (other && !sameLayers(own, other)) {
    const shapes = [own, other].map((all) => all.map(({ weight }) => `${weight.rows}x${weight.cols}`).join(", "));
    throw new UsageError(
      `spectralComplexity: the reference must have the layers of the network, got ${shapes[1]} for ${shapes[0]}`,
    );
  }
  const layers = own.map(({ weight, error, activation }, i): ComplexityLayer => {
    const from = other?.[i];
    return {
      shape: [weight.rows, weight.cols],
      norm: up(spectralNorm(weight).upper + error),
      // The rounding of the matrices, row by row.
      group: up(groupUp(weight, from?.weight) + up(weight.rows * up(error + (from?.error ?? 0)))),
      activation,
    };
  });
  return { value: combined(layers), layers };
}

// --- internal ---

interface Weighted {
  readonly weight: Matrix;
  /** An upper bound of the norm of what rounding has changed. */
  readonly error: number;
  readonly activation: number;
}

async function matricesOf(network: Network): Promise<readonly Weighted[] | string> {
  const { x, y } = subjectOf(network).at(1, "float64");
  const flow = fusedFlow(x, y);
  if (flow.varying.length === 0) return "its outputs do not depend on its input";
  const propagation = await propagate(flow, 2, budget());
  const found = chainSuffix(flow, propagation, { kind: "global" });
  if (typeof found === "string") return found;
  if (found.from !== flow.input) return "only its end is a chain of affine maps and activations";
  const { chain, error } = found;
  return chain.affine.map(({ weight }, i) => ({
    weight,
    error: error(i, 2),
    activation: i < chain.activations.length ? steepestOf(chain.activations[i]) : 1,
  }));
}

const sameLayers = (a: readonly Weighted[], b: readonly Weighted[]): boolean =>
  a.length === b.length &&
  a.every(({ weight }, i) => weight.rows === b[i].weight.rows && weight.cols === b[i].weight.cols);

/** The sum of the lengths of the rows of A - M, rounded up. */
function groupUp({ rows, cols, data }: Matrix, from?: Matrix): number {
  let total = 0;
  for (let i = 0; i < rows; i++) {
    let square = 0;
    for (let k = i * cols; k < (i + 1) * cols; k++) {
      const gap = from ? up(Math.abs(data[k] - from.data[k])) : data[k];
      square += gap * gap;
    }
    total += sqrtUp(sumUp(square, cols + 1));
  }
  return sumUp(total, rows);
}

/** R^{2/3} = sum_i (prod rho b_i prod_{j != i} s_j)^{2/3}, which grows with every number in it; all rounded up. */
function combined(layers: readonly ComplexityLayer[]): number {
  const slopes = layers.reduce((product, { activation }) => up(product * activation), 1);
  const terms = layers.map(({ group }, i) =>
    layers.reduce((product, { norm }, j) => (j === i ? product : up(product * norm)), up(slopes * group)),
  );
  const total = terms.reduce((sum, term) => {
    const root = cubeRootUp(term);
    return up(sum + up(root * root));
  }, 0);
  return up(total * sqrtUp(total));
}

/** A number whose cube is certainly at least x. */
function cubeRootUp(x: number): number {
  if (!(x > 0) || x === Number.POSITIVE_INFINITY) return x;
  let root = Math.cbrt(x);
  for (let step = 2 ** -52; down(down(root * root) * root) < x; step *= 2) root = up(root * (1 + step));
  return root;
}
