import { method } from "../question.ts";

export const eclipseMethod = method({
  name: "eclipse-fast",
  side: "upper",
  norms: "2",
  domains: "global",
  usual: () => true,
  turn: 1,
  work: Number.POSITIVE_INFINITY,
  needs: "chains",
  ask: async (question, shared) => (await import("../quadratic/ask.ts")).askEclipse(question, shared),
});
