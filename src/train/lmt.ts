/**
 * @file Lipschitz-margin training, and GloRo in the same frame: a margin that grows with the constant of the network is asked of every
 * sample. The constant is that of the map in evaluation, found inside the training step; what a network has in the end is proved by `certify`.
 */
import { flowOf } from "../graph/behaviour.ts";
import type { Node } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import { evalRun } from "../layers/layer.ts";
import { add, minimum, mul } from "../ops/arith.ts";
import { concat, slice } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import { mapNamed, type Named } from "../tensor/named.ts";
import type { Shape } from "../tensor/shape.ts";
import { constantsOf } from "./constants.ts";
import { gramNorms } from "./gramNorms.ts";
import { withBottom, withMargin } from "./marginTerm.ts";
import type { Method } from "./method.ts";
import { pairDistances } from "./pairDistances.ts";
import { firstVector, powerNorms } from "./powerNorms.ts";

export const marginForms = ["pairs", "shared", "gloro"] as const;
export const normKinds = ["power", "gram"] as const;

export interface LmtOptions {
  /** The distance that the margins shall last for, in the units of the data. Default: 1. */
  readonly c?: number;
  /**
   * pairs (default): rival i of the true class t gets c K_ti, the constant of f_t - f_i. shared: every rival gets sqrt(2) c L.
   * gloro: a further class, which wins where another one than the predicted could within c.
   */
  readonly form?: (typeof marginForms)[number];
  /** power (default): one step of the power method a training step. gram: Gram iteration, an upper bound in every step. */
  readonly norms?: (typeof normKinds)[number];
  /** Epochs in which c grows linearly from 1e-5; 0 for all of c from the start. Default: 1. */
  readonly ramp?: number;
}

/**
 * Train for certified radii of c: minimise the loss of the logits that `withMargin` (or, for GloRo, `withBottom`) makes.
 * The model may be made of anything that has a constant; throws UsageError where it has none, or for a regression.
 * Reference: Tsuzuku, Sato and Sugiyama 2018; Leino, Wang and Fredrikson 2021 for GloRo.
 */
export function lmt({ c = 1, form = "pairs", norms = "power", ramp = 1 }: LmtOptions = {}): Method {
  for (const [name, value] of Object.entries({ c, ramp })) {
    if (!(value >= 0 && Number.isFinite(value))) throw new UsageError(`lmt: ${name} must be >= 0, got ${value}`);
  }
  return {
    name: "lmt",
    init({ model, params, modelState, data, random }) {
      if (data.task !== "classification") {
        throw new UsageError(`lmt: a margin needs classes, got the regression ${data.name}`);
      }
      const variables = mapNamed({ ...params, ...modelState }, (t, name) => input(name, t.shape, t.dtype));
      const weights = model.weights(variables, "eval");
      const asked = new Map<string, Shape>();
      slopesOf(
        (x) => model.forward(x, weights, evalRun),
        data.shape,
        { form, norms },
        (name, shape) => {
          asked.set(name, shape);
          return input(name, shape);
        },
      );
      return Object.fromEntries([...asked].map(([name, shape]) => [name, firstVector(shape, random.fork(name))]));
    },
    objective({ x, y, forward, evaluated, loss, state, epoch }) {
      const outputs = forward(x);
      const { slopes, next } = slopesOf(evaluated, x.shape.slice(1), { form, norms }, (name) => state[name]);
      const first = Math.min(c, 1e-5);
      const now = ramp === 0 ? add(mul(epoch, 0), c) : add(mul(minimum(mul(epoch, 1 / ramp), 1), c - first), first);
      if (form === "gloro") {
        // No sample is of the further class.
        const none = mul(slice(y, [0, 0], [y.shape[0], 1]), 0);
        return { loss: loss(withBottom(outputs, slopes, now), concat([y, none], 1)), outputs, state: next };
      }
      return { loss: loss(withMargin(outputs, y, slopes, now), y), outputs, state: next };
    },
  };
}

// --- internal ---

/** How fast differences of outputs can change, and the next vectors of the power method. */
function slopesOf(
  network: (x: Node) => Node,
  sample: Shape,
  { form, norms }: Required<Pick<LmtOptions, "form" | "norms">>,
  vector: (name: string, shape: Shape) => Node,
): { readonly slopes: Node; readonly next: Named<Node> } {
  const flowAt = (batch: number) => {
    const x = input(`lmt ${batch}`, [batch, ...sample]);
    return flowOf(x, network(x));
  };
  const flow = flowAt(1);
  const power = powerNorms(vector);
  const constantOf = constantsOf(flow, norms === "gram" ? gramNorms : power.norms);
  const slopes =
    form === "shared"
      ? mul(constantOf(flow.output), Math.SQRT2)
      : pairDistances(flow, constantOf, flowAt(flow.output.shape[1]));
  return { slopes, next: power.next };
}
