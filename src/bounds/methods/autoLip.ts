import { autoLip } from "../autoLip.ts";
import { method } from "../question.ts";

export const autoLipMethod = method({
  name: "autolip",
  side: "upper",
  norms: "all",
  domains: "all",
  usual: () => true,
  turn: 0,
  work: Number.POSITIVE_INFINITY,
  share: 3,
  needs: "walk",
  ends: true,
  /** With norms in closed form. */
  glance: async ({ subject, norm }) => (await autoLip(subject, norm, { seconds: 0 })).bound,
  async ask(_, { walk: { bound, propagation } }) {
    const { layers, missing } = propagation;
    return { bounds: [bound], layers, ...(bound.status === "unbounded" && missing && { missing }) };
  },
});
