/** @file The report of a run or of a comparison as one HTML file that needs nothing else. Pure: records in, text out. */
import type { RunRecord } from "../experiment/record.ts";
import type { RunSpec } from "../experiment/spec.ts";
import { UsageError } from "../tensor/errors.ts";
import { blameFigure } from "./figures/blame.ts";
import { bracketFigure, bracketsFigure } from "./figures/bracket.ts";
import { comparisonTable, scatterFigure } from "./figures/comparison.ts";
import { curveFigure, curvesFigure } from "./figures/curves.ts";
import { gapsFigure } from "./figures/gaps.ts";
import { curvatureFigure } from "./figures/histogram.ts";
import { lineFigure, planeFigure } from "./figures/plane.ts";
import { trainingFigures, trainingsFigure } from "./figures/training.ts";
import { weakestFigure } from "./figures/weakest.ts";
import { type Group, groupsOf, type Reported } from "./groups.ts";
import { type Html, html } from "./html.ts";
import { showNorm } from "./number.ts";
import { page } from "./page.ts";
import { openPen, type Pen } from "./plot.ts";
import { reproduction } from "./reproduce.ts";
import { agreement, alarmOf, comparisonVerdict, definitions, verdictOf } from "./verdict.ts";

/**
 * Draw the report of runs on the same data, as the text of an HTML file without scripts and without a word to the network.
 *
 *     const text = await renderReport([{ record, samples }]);
 *
 * One run is shown whole; of several, those that differ in nothing but their seed count as one method, of which the first seed is
 * shown whole. Without `samples` there are no weakest samples, and curves have only the radii of the record. The first call loads the
 * plotting library. Throws UsageError where there is no run, or runs are on different data or in different norms.
 */
export async function renderReport(runs: readonly Reported[]): Promise<string> {
  const [first, ...others] = runs.map((r) => r.record);
  if (!first) throw new UsageError("report: needs at least one run, got none");
  const strange = others.find((r) => !comparable(r, first));
  if (strange) {
    const what = (r: RunRecord) => `${r.data.name} (${r.data.sha256.test.slice(0, 12)}) in ${showNorm(r.norm)}`;
    throw new UsageError(
      `report: runs must be on the same data in the same norm, got ${what(first)} and ${what(strange)}`,
    );
  }
  const pen = await openPen();
  const groups = groupsOf(runs);
  const single = groups.length === 1;
  const title = single ? `${groups[0].label} on ${first.data.name}` : `${groups.length} methods on ${first.data.name}`;
  const records = runs.map((r) => r.record);
  const alarm = alarmOf(records);
  const agree = agreement(records);
  const sections = groups.map((group, k) => ({ group, id: `run-${k + 1}` }));
  const body = html`<header><h1>${title}</h1>
${alarm ? html`<p class="alarm">${alarm}</p>` : null}<p class="verdict">${single ? verdictOf(first) : comparisonVerdict(groups)}</p>
<p class="quiet">${agree ? `${agree} ` : null}${definitions(first.certified !== null)}</p>
${single ? null : contents(sections)}</header>
${single && runs.length === 1 ? null : comparison(pen, groups)}
${sections.map(({ group, id }) => runSection(pen, group, id, single))}
${reproduction(records)}
`;
  return page({ title: `${title} - ${first.tool.name}`, body });
}

// --- internal ---

/** Data that are drawn at random, like the two moons, are others for another seed. */
const comparable = (a: RunRecord, b: RunRecord): boolean =>
  a.norm === b.norm &&
  a.data.name === b.data.name &&
  (a.spec.seed !== b.spec.seed || a.data.sha256.test === b.data.sha256.test);

const contents = (sections: readonly { readonly group: Group; readonly id: string }[]): Html =>
  html`<nav aria-label="Contents"><ul><li><a href="#comparison">Comparison</a></li>${sections.map(
    ({ group, id }) => html`<li><a href="#${id}">${group.label}</a></li>`,
  )}<li><a href="#reproduce">How to reproduce</a></li></ul></nav>`;

const comparison = (pen: Pen, groups: readonly Group[]): Html =>
  html`<section id="comparison"><h2>${groups.length > 1 ? "Comparison" : "Over the seeds"}</h2>
${comparisonTable(groups)}
<div class="figures">${[
    scatterFigure(pen, groups),
    curvesFigure(pen, groups),
    bracketsFigure(pen, groups),
    trainingsFigure(pen, groups),
  ]}</div></section>`;

const modelWords = (model: RunSpec["model"]): string => {
  if (model.kind === "onnx") return `trained on from ${model.file} (sha256 ${model.sha256})`;
  return model.widths ? `${model.kind} ${model.widths.join("-")}` : model.kind;
};

/** The first seed of a method, whole. */
function runSection(pen: Pen, group: Group, id: string, single: boolean): Html {
  const [run] = group.runs;
  const { record, samples } = run;
  const { name: _, ...settings } = record.spec.method;
  const words = [
    ...Object.entries(settings).map(([key, value]) => `${key} ${value}`),
    modelWords(record.spec.model),
    `${record.model.parameters} parameters`,
    `${record.spec.epochs} ${record.spec.epochs === 1 ? "epoch" : "epochs"}`,
    `seed ${record.spec.seed}`,
  ];
  const plane = samples?.plane ? planeFigure(pen, samples.plane, samples, record.norm) : null;
  return html`<section id="${id}"><h2>${single ? "The network" : group.label}</h2>
${single ? null : html`<p>${verdictOf(record)}</p>`}<p class="quiet">${words.join(", ")}.</p>
<div class="figures">${[
    bracketFigure(pen, record.bracket),
    blameFigure(pen, record.bracket),
    curveFigure(pen, run),
    samples ? gapsFigure(pen, samples, record.norm) : null,
    plane,
    samples?.line ? lineFigure(pen, samples.line) : null,
    samples ? curvatureFigure(pen, samples.curvature) : null,
    ...trainingFigures(pen, record.epochs),
    samples ? weakestFigure(pen, samples, record.norm) : null,
  ]}</div></section>
`;
}
