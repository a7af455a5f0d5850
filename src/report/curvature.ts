/** @file What was measured and proved of a network's curvature, as text for a terminal. */
import type { CurvatureBound } from "../curvature/bound.ts";
import type { Curvature } from "../curvature/measure.ts";
import type { RadiusStability } from "../curvature/stability.ts";
import type { Summary } from "../curvature/summary.ts";
import { type Samples, sampleName } from "../data/dataset.ts";
import { printable } from "../tensor/printable.ts";
import { showAtMost, showNumber } from "./number.ts";
import { textTable } from "./textTable.ts";

/** The measured numbers with their spread, what smoothness says of them, gradient stability, and the proved bounds. */
export function renderCurvature(
  found: Curvature & { readonly bound: CurvatureBound; readonly stability?: readonly RadiusStability[] },
  data?: Samples,
): string {
  const { of, method, samples, bound, stability = [] } = found;
  const whose = data ? ` of ${data.name}` : "";
  const lines = [
    ...(data?.notes ?? []),
    `Curvature of the ${of} at ${samples.length} samples${whose}, l2, by ${method} (seen, not proved):`,
  ];
  const table = textTable(["", ...head]);
  table.push(["normalised |H| / |g|", ...cells(found.curvature)]);
  table.push(["Hessian norm |H|", ...cells(found.hessian)]);
  table.push(["gradient norm |g|", ...cells(found.gradient)]);
  lines.push(table.toString());
  lines.push(...remarks(found));
  if (data?.ids) lines.push(bendMost(found, data));
  if (stability.length > 0) {
    const turns = textTable(["change of the gradient at", ...head]);
    for (const { radius, random, adversarial } of stability) {
      turns.push([`${radius}, random`, ...cells(random)], [`${radius}, searched`, ...cells(adversarial)]);
    }
    lines.push(turns.toString());
  }
  lines.push(proved(bound));
  return lines.join("\n");
}

// --- internal ---

/** The samples of the largest normalised curvature, by their own names. */
function bendMost({ samples }: Curvature, data: Samples): string {
  const most = [...samples].sort((a, b) => b.curvature - a.curvature).slice(0, 3);
  return `Largest normalised: ${most.map((s) => `${sampleName(data, s.index)} ${showNumber(s.curvature)}`).join(", ")}`;
}

const head = ["mean", "std. error", "min", "25 %", "median", "75 %", "95 %", "max"];

const cells = (s: Summary): string[] =>
  [s.mean, s.standardError, s.min, s.q25, s.median, s.q75, s.q95, s.max].map(showNumber);

function remarks({ of, smoothness: { kind, kinks, jumps } }: Curvature): string[] {
  const lines: string[] = [];
  const left = of === "loss" ? "what was measured is the curvature of the loss alone" : "0 is what there is to measure";
  if (kind === "affine") lines.push(`The network is affine: its second derivative is zero, and ${left}.`);
  if (kind === "piecewise linear") {
    const why = `The network is piecewise linear (${kinks.join(", ")}): its second derivative is zero almost everywhere`;
    lines.push(`${why}, and ${left}; kinks are not seen.`);
  }
  if (kind === "kinked" && kinks.length > 0) {
    lines.push(`Second derivatives exist almost everywhere; the kinks of ${kinks.join(", ")} are not seen.`);
  }
  if (jumps.length > 0) lines.push(`Where ${jumps.join(", ")} jumps, no derivative says anything.`);
  return lines;
}

function proved({ value, loss, pairs, method, missing, domain }: CurvatureBound): string {
  if (missing) return `No proved bound of the curvature: ${printable(`${missing.why} at node ${missing.node}`)}.`;
  const margin = pairs ? Math.max(...pairs.flat()) : null;
  const parts = [
    `outputs ${showAtMost(value)}`,
    ...(margin === null ? [] : [`margins ${showAtMost(margin)}`]),
    `loss ${showAtMost(loss)}`,
  ];
  const where = domain === "global" ? "everywhere" : `on the ${domain}`;
  return `Proved, ${where} (${method}): Hessian norms at most ${parts.join(", ")}.`;
}
