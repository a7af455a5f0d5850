/** @file A chain of dense layers as a program of the quadratic walk, and the constant of a program without a search. */
import { sqrtUp } from "../../linalg/rounding.ts";
import type { Budget } from "../budget.ts";
import { checkChain } from "../chain/form.ts";
import type { Chain } from "../chain.ts";
import { Builder, whole } from "./cuts.ts";
import { matrixKernel } from "./nodeMap.ts";
import { type Program, programOf } from "./program.ts";
import { matricesOf, provedWalk } from "./proof.ts";
import { closedForm } from "./start.ts";
import { provedTop } from "./top.ts";

/** The program of a chain as it stands, the slopes of its neurons among those that it says. */
export function programOfChain(chain: Chain): Program {
  checkChain(chain);
  const { affine, activations } = chain;
  const build = new Builder();
  const start = build.variable(affine[0].weight.cols, "input");
  let value = whole(start);
  affine.forEach(({ weight: { rows, cols, data } }, i) => {
    const z = build.affine(`map ${i}`, rows, [{ value, map: matrixKernel(rows, cols, data, 0) }]);
    const layer = activations[i];
    value = layer ? build.pointwise(z, layer.low, layer.high, `activation ${i}`) : whole(z);
  });
  const output = build.materialise(value, "output");
  return programOf([], start, output, build.actions);
}

/**
 * The constant of a program in l2 by multipliers in closed form, no search; Infinity where they prove nothing or time is out.
 *
 * Reference: Xu and Sivaranjani 2024, ECLipsE-Fast.
 */
export async function closedConstant(program: Program, clock?: Budget): Promise<number> {
  const cut = await provedWalk(program, closedForm({ alike: true }), { clock });
  return cut ? sqrtUp(provedTop(matricesOf(cut))) : Number.POSITIVE_INFINITY;
}
