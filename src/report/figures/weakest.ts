/** @file The samples whose decision is changed most easily: as pictures where the data are images, as a table always. */
import type { Norm } from "../../bounds/bound.ts";
import type { SampleRecord, WeakSample } from "../../experiment/samples.ts";
import { type Html, html, table } from "../html.ts";
import { showNorm, showNumber } from "../number.ts";
import type { Pen } from "../plot.ts";
import { type ImageForm, isImage, nameOf, picture, pixels, signed } from "./pictures.ts";

/** The weakest samples with their smallest attacks; null where nothing was attacked or nothing found. */
export function weakestFigure(
  pen: Pen,
  { weakest, shape, range, classNames }: Pick<SampleRecord, "weakest" | "shape" | "range" | "classNames">,
  norm: Norm,
): Html | null {
  if (weakest.length === 0) return null;
  const title = "Weakest samples";
  const drawn = isImage(shape);
  const numbers = table(
    title,
    [
      { head: "test sample" },
      { head: "label" },
      { head: "becomes" },
      { head: "certified radius" },
      { head: "changed at" },
    ],
    weakest.map((w) => [
      w.id ?? String(w.index),
      nameOf(classNames, w.label),
      nameOf(classNames, w.becomes),
      showNumber(w.radius ?? Number.POSITIVE_INFINITY),
      showNumber(w.distance),
    ]),
  );
  return html`<figure class="wide"><figcaption><h3>${title}</h3></figcaption>
<p class="note">Right decisions that the smallest perturbations found change, lengths in ${showNorm(norm)}.${
    drawn ? " Each: the sample, the perturbation (blue takes away, orange adds; amplified), the sample with it." : ""
  }</p>
${
  drawn
    ? html`<div class="weakest">${weakest.map((w) => card(pen, w, { shape, range: range ?? [0, 1], classNames }))}</div>
<details><summary>The numbers: ${title}</summary>${numbers}</details>`
    : numbers
}</figure>
`;
}

// --- internal ---

interface Image extends ImageForm {
  readonly classNames?: readonly string[] | undefined;
}

function card(pen: Pen, w: WeakSample, image: Image): Html {
  const most = Math.max(...w.perturbation.map(Math.abs), Number.MIN_VALUE);
  const attacked = w.x.map((v, j) => v + w.perturbation[j]);
  const radius = w.radius ?? Number.POSITIVE_INFINITY;
  const [label, becomes] = [w.label, w.becomes].map((c) => nameOf(image.classNames, c));
  const which = w.id ?? `sample ${w.index}`;
  const pictures = [
    picture(pen, pixels(w.x, image), `test ${which}, a ${label}`),
    picture(pen, signed(w.perturbation, most, image), `perturbation, at most ${showNumber(most)} in a number`),
    picture(pen, pixels(attacked, image), `with the perturbation, taken for a ${becomes}`),
  ];
  return html`<div class="card"><div class="pictures">${pictures}</div>
<p><b>${label} → ${becomes}</b> at ${showNumber(w.distance)}<br><small>certified to ${showNumber(radius)}; ${which}</small></p></div>
`;
}
