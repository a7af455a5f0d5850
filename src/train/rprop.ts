/** @file Resilient propagation: every weight has a step length of its own, which only the signs of its gradient change. For full batches: between small ones signs turn by chance. */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { add, greater, less, maximum, minimum, mul, sub, where } from "../ops/arith.ts";
import { sign } from "../ops/pointwise.ts";
import { UsageError } from "../tensor/errors.ts";
import { mapNamed, type Named, under, within } from "../tensor/named.ts";
import { full, zeros } from "../tensor/tensor.ts";
import type { Optimizer } from "./optimizer.ts";

export interface RpropOptions {
  /** What a step length is times where the gradient has kept its sign, and where it has turned. Default: 1.2 and 0.5. */
  readonly faster?: number;
  readonly slower?: number;
  /** Between these step lengths stay, as multiples of the rate. Default: 1e-5 and 500, which is 1e-6 and 50 at a rate of 0.1. */
  readonly least?: number;
  readonly most?: number;
  /** Take a move back where its gradient has turned (Rprop+, default), or not (Rprop-). */
  readonly backtrack?: boolean;
}

/**
 * Move each weight by rate delta against the sign of its gradient; delta begins at 1, grows while the sign stays and shrinks where it turns, and then the last move is taken back and the next step
 * takes the gradient for 0 (Rprop+). Weight decay is part of the gradient.
 * Reference: Riedmiller and Braun 1993; Igel and Huesken 2000 (names of the variants); the defaults are those of the R package neuralnet.
 */
export function rprop({
  faster = 1.2,
  slower = 0.5,
  least = 1e-5,
  most = 500,
  backtrack = true,
}: RpropOptions = {}): Optimizer {
  const rules = {
    faster: faster > 1,
    slower: slower > 0 && slower < 1,
    least: least > 0,
    most: most >= Math.max(1, least),
  };
  const values = { faster, slower, least, most };
  for (const [name, holds] of Object.entries(rules)) {
    const rule = { faster: "above 1", slower: "between 0 and 1", least: "above 0", most: ">= 1 and >= least" }[name];
    if (!holds) throw new UsageError(`rprop: ${name} must be ${rule}, got ${values[name as keyof typeof values]}`);
  }
  return {
    name: "rprop",
    init: (params) => ({
      ...under(
        "length",
        mapNamed(params, (p) => full(p.shape, 1)),
      ),
      ...under(
        "gradient",
        mapNamed(params, (p) => zeros(p.shape)),
      ),
      ...(backtrack &&
        under(
          "move",
          mapNamed(params, (p) => zeros(p.shape)),
        )),
    }),
    update({ params, gradients, state, rate, decay, pace }) {
      const [lengths, before, moves] = ["length", "gradient", "move"].map((name) => within(name, state));
      const made = mapNamed(params, (p, name): Made => {
        const rule = decay(name);
        const g = rule === 0 ? gradients[name] : add(gradients[name], mul(p, rule));
        const agreement = mul(sign(g), sign(before[name]));
        const turned = less(agreement, 0);
        const number = (value: number) => constant(value, p.dtype);
        const factor = where(greater(agreement, 0), number(faster), where(turned, number(slower), number(1)));
        const length = minimum(maximum(mul(lengths[name], factor), least), most);
        const own = mul(mul(sign(g), length), mul(rate, -pace(name)));
        if (!backtrack) return { p: add(p, own), length, gradient: g, move: own };
        return {
          p: where(turned, sub(p, moves[name]), add(p, own)),
          length,
          gradient: where(turned, number(0), g),
          move: where(turned, number(0), own),
        };
      });
      const part = (of: keyof Made): Named<Node> => mapNamed(made, (own) => own[of]);
      return {
        params: part("p"),
        state: {
          ...under("length", part("length")),
          ...under("gradient", part("gradient")),
          ...(backtrack && under("move", part("move"))),
        },
      };
    },
  };
}

// --- internal ---

interface Made {
  readonly p: Node;
  readonly length: Node;
  readonly gradient: Node;
  readonly move: Node;
}
