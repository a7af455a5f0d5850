/** @file Explanations with how far they hold, as text for a terminal and as one HTML file with pictures. */
import type { Explained } from "../certify/explain.ts";
import { type Dataset, sampleName } from "../data/dataset.ts";
import { printable } from "../tensor/printable.ts";
import { dataLines } from "./data.ts";
import { degrees, explanationCard, strongest } from "./figures/explanations.ts";
import { isImage } from "./figures/pictures.ts";
import { html, table } from "./html.ts";
import { showAtMost, showNumber, showPercent } from "./number.ts";
import { page } from "./page.ts";
import { openPen } from "./plot.ts";
import { textTable } from "./textTable.ts";

/** A row for each method and radius: medians over the samples of what is proved and what was seen; then the inputs that count most at a few samples. */
export function renderExplained(found: Explained, data: Dataset): string {
  const { samples, of, settings } = found;
  const rows = textTable(head);
  for (const row of medians(found)) {
    rows.push([row.method, String(row.radius), ...row.cells]);
  }
  const { baseline, steps, draws, deviation, top, seed } = settings;
  return [
    ...dataLines({ ...data, count: samples.length }),
    `What speaks for the decision (${of}), and how much that turns within l2 radii, classes as at the sample: medians over the samples`,
    ...(found.samples[0]?.explanations[0]?.stability.length ? [rows.toString()] : []),
    curvatureLine(found),
    // Of an image the places of pixels say little: they are for the page.
    ...(isImage(data.shape) ? [] : samples.slice(0, 3)).map(
      (s) => `${sampleName(data, s.index)}: ${s.explanations.map(strongest).join("; ")}`,
    ),
    `integrated: from ${baseline}, ${steps} points; smoothgrad: ${draws} draws of deviation ${showNumber(deviation)}; top: ${showPercent(top)} of the inputs; seen: the worst of 4 drawn perturbations and a searched one; seed ${seed}`,
  ].join("\n");
}

/** Each sample with its explanations as pictures, where samples are images, and what is proved of them. */
export async function renderExplainReport(
  found: Explained,
  data: Dataset,
  { name, sha256, command }: { readonly name: string; readonly sha256: string; readonly command: string },
): Promise<string> {
  const pen = await openPen();
  const title = `${name} explained on ${data.name}`;
  const rows = medians(found);
  const body = html`<header><h1>${title}</h1>
<p class="verdict">What speaks for each decision, and how much the explanation can turn.</p>
<p class="quiet">${curvatureLine(found)} Orange speaks for the decision, blue against it; each picture has its own scale.</p></header>
${
  rows.length > 0
    ? html`<section><h2>How far explanations hold</h2>${table(
        "Medians over the samples",
        head.map((h) => ({ head: h })),
        rows.map((row) => [row.method, String(row.radius), ...row.cells]),
      )}</section>`
    : null
}
<section><h2>Samples</h2><div class="weakest">${found.samples.slice(0, 24).map((s) => explanationCard(pen, s, data))}</div></section>
<section><h2>How to reproduce</h2><dl><dt>Model</dt><dd>${name}, sha256 <code class="hash">${sha256}</code></dd></dl>
<pre><code>${command}</code></pre></section>
`;
  return page({ title, body });
}

// --- internal ---

const head = [
  "method",
  "radius",
  "turns, proved",
  "turned, seen",
  "changes, proved",
  "changed, seen",
  "top kept, proved",
  "seen",
];

function curvatureLine({ curvature, missing, of }: Explained): string {
  if (curvature !== null) return `Proved: the Hessian of every ${of} has a norm of at most ${showAtMost(curvature)}.`;
  const why = missing ? `: ${printable(`${missing.why} at node ${missing.node}`)}` : "";
  return `Nothing is proved of how explanations turn${why}; a network without kinks has a bound.`;
}

/** The method, the radius, and medians over the samples: angles, changes as parts of the explanation, top inputs that stay. */
function medians({ methods, samples }: Explained) {
  return methods.flatMap((method) => {
    const own = samples.flatMap((s) => s.explanations.filter((e) => e.method === method));
    const radii = own[0]?.stability.map((s) => s.radius) ?? [];
    return radii.map((radius, k) => {
      const all = own.map((e) => ({ ...e.stability[k], length: e.length }));
      const proved = all.filter((s) => s.change !== null);
      const part = (change: number, length: number) => (length > 0 ? change / length : 0);
      return {
        method,
        radius,
        cells: [
          proved.length === all.length ? degrees(median(all.map((s) => s.degrees))) : "-",
          degrees(median(all.map((s) => s.seen.degrees))),
          proved.length === all.length ? showPercent(median(all.map((s) => part(s.change ?? 0, s.length)))) : "-",
          showPercent(median(all.map((s) => part(s.seen.change, s.length)))),
          proved.length === all.length ? showPercent(median(all.map((s) => s.kept))) : "-",
          showPercent(median(all.map((s) => s.seen.kept))),
        ],
      };
    });
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
