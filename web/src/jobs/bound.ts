/** @file Bracket the constant: what needs no runtime is said at once, the rest as it is found. And the slopes and gains on a box. */
import { gains, lipschitz } from "lipschitz";
import { modelOf } from "../desk.ts";
import type { Box } from "../protocol.ts";
import type { JobOf } from "../worker.ts";

export const boundJob: JobOf<"bound"> = async (desk, { norm, box, seconds, methods }, { signal, say }) =>
  lipschitz(modelOf(desk).network, {
    engine: desk.engine,
    norm,
    ...(methods && { methods }),
    ...(seconds !== undefined && { seconds }),
    ...(box && { domain: domainOf(box) }),
    ...(desk.data && sameSize(desk) && { data: desk.data }),
    signal,
    onBracket: say,
  });

export const gainsJob: JobOf<"gains"> = (desk, { box, ...asked }, { signal, say }) =>
  gains(modelOf(desk).network, {
    engine: desk.engine,
    ...asked,
    domain: domainOf(box),
    signal,
    onProgress: (_, worst) => say(worst),
  });

// --- internal ---

const domainOf = ({ low, high }: Box) =>
  ({ kind: "box", low: Float64Array.from(low), high: Float64Array.from(high) }) as const;

function sameSize({ model, data }: Parameters<JobOf<"bound">>[0]): boolean {
  const wanted = model?.network.inputs[0].shape.reduce<number>((n, d) => (typeof d === "number" ? n * d : n), 1);
  return data?.shape.reduce((n, d) => n * d, 1) === wanted;
}
