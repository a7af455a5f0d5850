/**
 * @file A plan whose file says how many samples it takes, for any number of them: the first size of its inputs is free, and a Reshape to that number of
 * rows is one to as many as there are. Whether samples then go through side by side is for the caller to find out.
 */
import type { Plan } from "./plan.ts";
import type { Step } from "./steps.ts";

/** The same steps on inputs whose first size is free. */
export function ofSamples(plan: Plan): Plan {
  const [port] = plan.ports;
  const rows = port?.shape[0];
  if (typeof rows !== "number") return plan;
  return {
    ...plan,
    ports: plan.ports.map((p) => ({ ...p, shape: p.shape.length === 0 ? p.shape : ["samples", ...p.shape.slice(1)] })),
    steps: plan.steps.map((step) => (step.operator === "Reshape" ? anyRows(step, rows) : step)),
  };
}

// --- internal ---

/** A Reshape whose target begins with the number of rows of the file. */
function anyRows(step: Step, rows: number): Step {
  return {
    ...step,
    apply: (call) =>
      step.apply({
        ...call,
        numbers: (i) => {
          const target = call.numbers(i);
          const own = call.input(0).shape[0];
          return target?.[0] === rows && own !== undefined ? [own, ...target.slice(1)] : target;
        },
      }),
  };
}
