/** @file The report of a network that was read: what was proved and seen of it, on the samples of whoever has it. Pure: findings in, text out. */
import type { Explained } from "../certify/explain.ts";
import type { Dataset } from "../data/dataset.ts";
import type { RunRecord } from "../experiment/record.ts";
import type { SampleRecord } from "../experiment/samples.ts";
import { blameFigure } from "./figures/blame.ts";
import { bracketFigure } from "./figures/bracket.ts";
import { curveFigure } from "./figures/curves.ts";
import { explanationsFigure } from "./figures/explanations.ts";
import { gapsFigure } from "./figures/gaps.ts";
import { curvatureFigure } from "./figures/histogram.ts";
import { lineFigure, planeFigure } from "./figures/plane.ts";
import { weakestFigure } from "./figures/weakest.ts";
import { html } from "./html.ts";
import { page } from "./page.ts";
import { openPen } from "./plot.ts";
import { agreement, alarmOf, definitions, measuredWords } from "./verdict.ts";

/** What is known of a network and its samples. */
export interface NetworkFound
  extends Pick<RunRecord, "norm" | "accuracy" | "bracket" | "certified" | "attacked" | "averageRadius"> {
  readonly tool: RunRecord["tool"];
  /** As its user calls it. */
  readonly name: string;
  readonly sha256: string;
  readonly radii: readonly number[];
  readonly data: {
    readonly name: string;
    readonly count: number;
    readonly sha256: string;
    readonly notes?: readonly string[];
  };
  /** Whose labels: of the data, or the network's own decisions. */
  readonly labelsFrom?: string;
  readonly samples: SampleRecord;
  /** Explanations of some samples, with those samples alone; null where there are none. */
  readonly explained?: { readonly found: Explained; readonly data: Dataset } | null;
  /** The command line that finds this again. */
  readonly command: string;
  /** Was the file held against the runtime? */
  readonly checked: boolean;
}

/**
 * Draw what was found of a network as the text of an HTML file without scripts and without a word to the network: bracket, blame, certified and attacked
 * curves, the gap sample by sample, the weakest samples.
 */
export async function renderNetwork(found: NetworkFound): Promise<string> {
  const pen = await openPen();
  const { name, sha256, data, norm, samples, bracket, attacked, certified, radii, command, labelsFrom, checked } =
    found;
  const runs = attacked ? [{ attacked }] : [];
  const alarm = alarmOf(runs);
  const agree = agreement(runs);
  const own = labelsFrom === "predictions";
  const what =
    found.accuracy === null
      ? `${name} on ${data.count} samples of ${data.name}`
      : own
        ? `${name}: labels are its own decisions on ${data.count} samples of ${data.name}`
        : `${name} decides ${(100 * found.accuracy).toFixed(1)} % of ${data.count} samples of ${data.name} right`;
  const record = { norm, certified, attacked, spec: { radii }, data: { samples: { test: data.count } } };
  const body = html`<header><h1>${name} on ${data.name}</h1>
${alarm ? html`<p class="alarm">${alarm}</p>` : null}<p class="verdict">${what}${measuredWords({ bracket, certified, attacked, count: data.count })}.</p>
<p class="quiet">${agree ? `${agree} ` : null}${definitions(certified !== null)}${checked ? "" : " The file was not held against the runtime."}</p></header>
<section><h2>The network</h2>
<div class="figures">${[
    bracketFigure(pen, bracket),
    bracket.layers.length > 0 ? blameFigure(pen, bracket) : null,
    curveFigure(pen, { record, samples }),
    gapsFigure(pen, samples, norm),
    samples.plane ? planeFigure(pen, samples.plane, samples, norm) : null,
    samples.line ? lineFigure(pen, samples.line) : null,
    curvatureFigure(pen, samples.curvature),
    weakestFigure(pen, samples, norm),
    found.explained ? explanationsFigure(pen, found.explained.found, found.explained.data) : null,
  ]}</div></section>
<section id="reproduce"><h2>How to reproduce</h2>
<dl><dt>Model</dt><dd>${name}, sha256 <code class="hash">${sha256}</code></dd><dt>Data</dt><dd>${data.name}, ${data.count} samples, sha256 <code class="hash">${data.sha256}</code>${(data.notes ?? []).map((note) => html`<br>${note}`)}</dd></dl>
<pre><code>${command}</code></pre></section>
`;
  return page({ title: `${name} on ${data.name} - ${found.tool.name}`, body });
}
