/**
 * @file A plan whose file says how many samples it takes, for any number of them: the first size of its inputs is free, and a Reshape to that number of
 * rows is one to as many as there are. Whether samples then go through side by side is for the caller to find out.
 */
import { sizeOf } from "../tensor/shape.ts";
import type { Plan } from "./plan.ts";
import type { Step } from "./steps.ts";

/** The same steps on inputs whose first size is `count`. */
export function ofSamples(plan: Plan, count: number): Plan {
  const [port] = plan.ports;
  const rows = port?.shape[0];
  if (typeof rows !== "number" || rows === 0) return plan;
  const times = count / rows;
  return {
    ...plan,
    ports: plan.ports.map((p) => ({ ...p, shape: p.shape.length === 0 ? p.shape : ["samples", ...p.shape.slice(1)] })),
    steps:
      times === 1 ? plan.steps : plan.steps.map((s) => (s.operator === "Reshape" ? ofMoreRows(s, rows, times) : s)),
  };
}

// --- internal ---

/** A Reshape whose target begins with the number of rows of the file, to more of them. */
function ofMoreRows(step: Step, rows: number, times: number): Step {
  return {
    ...step,
    apply: (call) =>
      step.apply({
        ...call,
        numbers: (i) => {
          const target = call.numbers(i);
          if (i !== 1 || target?.[0] !== rows) return target;
          const open = target.some((d) => d <= 0);
          const fits = open || sizeOf(call.input(0).shape) === sizeOf(target) * times;
          return fits ? [rows * times, ...target.slice(1)] : target;
        },
      }),
  };
}
