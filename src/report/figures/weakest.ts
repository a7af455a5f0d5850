/** @file The samples whose decision is changed most easily: as pictures where the data are images, as a table always. */
import type { Norm } from "../../bounds/bound.ts";
import type { SampleRecord, WeakSample } from "../../experiment/samples.ts";
import { type Html, html, table } from "../html.ts";
import { showNorm, showNumber } from "../number.ts";
import type { Pen } from "../plot.ts";

/** The weakest samples with their smallest attacks; null where nothing was attacked or nothing found. */
export function weakestFigure(
  pen: Pen,
  { weakest, shape, range, classNames }: Pick<SampleRecord, "weakest" | "shape" | "range" | "classNames">,
  norm: Norm,
): Html | null {
  if (weakest.length === 0) return null;
  const title = "Weakest samples";
  const isImage = shape.length === 3 && (shape[0] === 1 || shape[0] === 3) && shape[1] >= 4 && shape[2] >= 4;
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
    isImage ? " Each: the sample, the perturbation (blue takes away, orange adds; amplified), the sample with it." : ""
  }</p>
${
  isImage
    ? html`<div class="weakest">${weakest.map((w) => card(pen, w, { shape, range: range ?? [0, 1], classNames }))}</div>
<details><summary>The numbers: ${title}</summary>${numbers}</details>`
    : numbers
}</figure>
`;
}

// --- internal ---

const nameOf = (names: readonly string[] | undefined, label: number): string => names?.[label] ?? String(label);

interface Image {
  readonly classNames?: readonly string[] | undefined;
  readonly shape: readonly number[];
  readonly range: readonly [number, number];
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

interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  readonly channels: number;
}

const picture = (pen: Pen, image: Pixels, words: string): Html =>
  html`<img alt="${words}" title="${words}" width="${image.width}" height="${image.height}" src="${`data:image/png;base64,${base64(pen.png(image))}`}">`;

/** Numbers of [channels, height, width] in a range as grey or colour. */
function pixels(values: readonly number[], { shape: [channels, height, width], range: [low, high] }: Image): Pixels {
  const data = new Uint8Array(values.length);
  const size = height * width;
  values.forEach((v, at) => {
    const part = Math.min(1, Math.max(0, (v - low) / (high - low)));
    data[(at % size) * channels + Math.trunc(at / size)] = Math.round(255 * part);
  });
  return { width, height, channels, data };
}

/** Changes, over channels together: blue below 0, orange above, and the paper's own colour at 0. */
function signed(values: readonly number[], most: number, { shape: [channels, height, width] }: Image): Pixels {
  const size = height * width;
  const data = new Uint8Array(4 * size);
  for (let at = 0; at < size; at++) {
    let largest = 0;
    for (let c = 0; c < channels; c++) {
      const v = values[c * size + at];
      if (Math.abs(v) > Math.abs(largest)) largest = v;
    }
    const color = largest < 0 ? [0, 114, 178] : [213, 94, 0];
    data.set([...color, Math.round((255 * Math.abs(largest)) / most)], 4 * at);
  }
  return { width, height, channels: 4, data };
}

const base64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
