import { method } from "../question.ts";

/** Loaded when it is asked, so that a page has the rest sooner. */
export const lipsdpMethod = method({
  name: "lipsdp",
  side: "upper",
  norms: "all",
  domains: "all",
  usual: () => true,
  turn: 9,
  work: 8,
  needs: "chains",
  ask: async (question, shared) => (await import("../quadratic/ask.ts")).askLipsdp(question, shared),
});
