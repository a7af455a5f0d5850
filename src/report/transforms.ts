/** @file What transformations do to decisions: what was found and what is proved, as text for a terminal and as one HTML file with pictures. */
import type { TransformAttacked } from "../attack/geometric.ts";
import { describeTransform, type Parameter } from "../attack/transforms.ts";
import type { Ranges, RangeViolation } from "../certify/ranges.ts";
import { type Dataset, sampleName } from "../data/dataset.ts";
import { sizeOf } from "../tensor/shape.ts";
import { accuracyOf, dataLines } from "./data.ts";
import { isImage, nameOf, picture, pixels } from "./figures/pictures.ts";
import { type Html, html, table } from "./html.ts";
import { showAtMost, showNumber, showPercent, showPercentAtLeast, showPercentAtMost } from "./number.ts";
import { page } from "./page.ts";
import { openPen, type Pen } from "./plot.ts";
import { textTable } from "./textTable.ts";

/** Robust accuracy by search, scores, the samples that are changed most easily, and the protocol. */
export function renderTransformAttack(
  found: Omit<TransformAttacked, "examples">,
  violations: readonly RangeViolation[] | null,
  data: Dataset,
): string {
  const { samples, searches, protocol, accuracy, robust, meanScore } = found;
  const changed = samples.filter((s) => s.parameters !== null).length;
  const rows = textTable(["search", "robust accuracy", "median score"]);
  for (const { name, robust: left, medianScore } of searches)
    rows.push([name, showPercent(left), showNumber(medianScore)]);
  rows.push(["all", showPercent(robust), "-"]);
  const { tries, steps, restarts, seed } = protocol;
  return [
    ...dataLines(data),
    `${accuracyOf(accuracy, data)}decisions changed ${changed} of ${samples.length} within ${limitsOf(found.parameters)}, mean score ${showNumber(meanScore)}`,
    rows.toString(),
    ...easiest(found, data).map(
      ({ sample, words, becomes }) =>
        `${sampleName(data, sample.index)}: ${nameOf(data.classNames, sample.label)} becomes ${becomes} by ${words}, score ${showNumber(sample.score)}`,
    ),
    `grid, random: ${tries} transformations; manifool: ${restarts} walks of at most ${steps} steps; each find brought back towards the image; score: way of the image over its length, l2; seed ${seed}`,
    ...(violations ? [violationLine(violations)] : []),
  ].join("\n");
}

/** Ranges of parameters that are proved. */
export function renderRanges(
  { accuracy, parameters, certified, box, samples, constant }: Ranges,
  data: Dataset,
): string {
  const rows = textTable(["parameter", "looked at", "all of it, and right", "mean width of ranges"]);
  certified.forEach(({ name, whole, meanWidth }, k) => {
    rows.push([
      name,
      `${span(parameters[k])}`,
      showPercentAtLeast(whole),
      `${showNumber(meanWidth)} ${parameters[k].unit}`.trim(),
    ]);
  });
  const narrowest = parameters.flatMap(({ name, unit }, k) => {
    const right = samples.filter((s) => s.predicted === s.label);
    const least = [...right].sort((a, b) => widthOf(a.ranges[k]) - widthOf(b.ranges[k])).slice(0, 3);
    const words = least.map((s) => `${sampleName(data, s.index)} ${s.ranges[k].map(showNumber).join(" to ")}`);
    return words.length > 0 ? [`Narrowest ${name}${unit === "" ? "" : ` (${unit})`}: ${words.join(", ")}`] : [];
  });
  return [
    ...dataLines(data),
    `${accuracyOf(accuracy, data)}${constant.proved ? `constant ${showAtMost(constant.value)} (proved, ${constant.method})` : "no constant: proved by the linear walk alone"}`,
    rows.toString(),
    ...(box
      ? [
          `All parameters at once: right and proved ${showPercentAtLeast(box.proved)}, at most ${showPercentAtMost(box.atMost)}`,
        ]
      : []),
    ...narrowest,
  ].join("\n");
}

/** One line: do attacks and ranges agree? */
export function violationLine(violations: readonly RangeViolation[]): string {
  const proofs = violations.filter((v) => v.kind === "proof").length;
  if (violations.length === 0) return "ranges: no decision changed inside of what is proved";
  if (proofs > 0) return `ALARM: ${proofs} decisions changed inside of their proved ranges`;
  return `by float32 rounding alone, ${violations.length} decisions changed inside of their ranges`;
}

/** The attack as one HTML file: each of the images that are changed most easily, transformed, with transformation and score. */
export async function renderTransformReport(
  found: TransformAttacked,
  data: Dataset,
  { name, sha256, command }: { readonly name: string; readonly sha256: string; readonly command: string },
): Promise<string> {
  const pen = await openPen();
  const { accuracy, robust, searches, meanScore, transforms } = found;
  const title = `${name} under ${transforms.join(", ")}`;
  const body = html`<header><h1>${title}</h1>
<p class="verdict">${showPercent(accuracy)} of ${data.count} images of ${data.name} are decided right, ${showPercent(robust)} under every transformation that was found within ${limitsOf(found.parameters)}.</p>
<p class="quiet">What was not found proves nothing. Score: how far the image moves on the way, over its length, in l2; mean ${showNumber(meanScore)}.</p></header>
<section><h2>Searches</h2>${table(
    "Searches",
    [{ head: "search" }, { head: "robust accuracy" }, { head: "median score" }],
    searches.map((s) => [s.name, showPercent(s.robust), showNumber(s.medianScore)]),
  )}</section>
<section><h2>Changed most easily</h2>
<div class="weakest">${easiest(found, data, 12).map((e) => card(pen, e, found, data))}</div></section>
<section><h2>How to reproduce</h2><dl><dt>Model</dt><dd>${name}, sha256 <code class="hash">${sha256}</code></dd></dl>
<pre><code>${command}</code></pre></section>
`;
  return page({ title, body });
}

// --- internal ---

const widthOf = ([low, high]: readonly [number, number]): number => high - low;

const span = ({ limit, unit }: Parameter): string => `-${limit} to ${limit}${unit === "" ? "" : ` ${unit}`}`;

const limitsOf = (parameters: readonly Parameter[]): string =>
  parameters.map(({ name, unit, limit }) => `${name} ${limit}${unit === "" ? "" : ` ${unit}`}`).join(", ");

/** The samples that were right with the smallest scores. */
function easiest(found: Omit<TransformAttacked, "examples">, data: Dataset, most = 3) {
  return found.samples
    .flatMap((sample) =>
      sample.parameters !== null && sample.predicted === sample.label
        ? [
            {
              sample,
              words: describeTransform(found, sample.parameters),
              becomes: nameOf(data.classNames, sample.becomes ?? -1),
            },
          ]
        : [],
    )
    .sort((a, b) => (a.sample.score ?? 0) - (b.sample.score ?? 0))
    .slice(0, most);
}

function card(
  pen: Pen,
  { sample, words, becomes }: ReturnType<typeof easiest>[number],
  { examples }: TransformAttacked,
  data: Dataset,
): Html {
  const size = sizeOf(data.shape);
  const form = { shape: data.shape, range: data.range ?? ([0, 1] as const) };
  const of = (values: Float32Array) => pixels(values.subarray(sample.index * size, (sample.index + 1) * size), form);
  const label = nameOf(data.classNames, sample.label);
  const pictures = isImage(data.shape)
    ? [
        picture(pen, of(data.x), `a ${label}`),
        picture(pen, of(examples), `the same by ${words}, taken for a ${becomes}`),
      ]
    : [];
  return html`<div class="card"><div class="pictures">${pictures}</div>
<p><b>${label} → ${becomes}</b> by ${words}<br><small>score ${showNumber(sample.score)}; ${sampleName(data, sample.index)}</small></p></div>
`;
}
