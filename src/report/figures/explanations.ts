/** @file Explanations of decisions: of images as pictures, with how much each can turn and was seen to. */
import type { Explained, Explanation } from "../../certify/explain.ts";
import { type Dataset, sampleName } from "../../data/dataset.ts";
import { type Html, html } from "../html.ts";
import { showNumber } from "../number.ts";
import type { Pen } from "../plot.ts";
import { isImage, nameOf, picture, pixels, signed } from "./pictures.ts";

/** The samples that were explained; null where they are no images. */
export function explanationsFigure(pen: Pen, explained: Explained, data: Dataset): Html | null {
  if (!isImage(data.shape)) return null;
  return html`<figure class="wide"><figcaption><h3>What speaks for decisions</h3></figcaption>
<p class="note">Of each: the sample, then ${explained.methods.join(", ")}; orange speaks for the decision, blue against it, each picture on its own scale. Angles: how much an explanation turns within an l2 radius, at most where that is proved, and seen.</p>
<div class="weakest">${explained.samples.map((s) => explanationCard(pen, s, data))}</div></figure>
`;
}

/** An angle, or a dash where any is possible. */
export const degrees = (value: number): string => (value >= 180 ? "-" : `${showNumber(value)}°`);

/** "saliency x3 +1.2, x0 -0.5": the inputs that count most. */
export function strongest({ method, values }: Explanation): string {
  const order = Array.from(values.keys()).sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]));
  const words = order.slice(0, 3).map((i) => `x${i} ${values[i] > 0 ? "+" : ""}${showNumber(values[i])}`);
  return `${method} ${words.join(", ")}`;
}

export function explanationCard(pen: Pen, sample: Explained["samples"][number], data: Dataset): Html {
  const size = data.x.length / data.count;
  const form = { shape: data.shape, range: data.range ?? ([0, 1] as const) };
  const drawn = isImage(data.shape);
  const decided = nameOf(data.classNames, sample.predicted);
  const pictures = drawn
    ? [
        picture(
          pen,
          pixels(data.x.subarray(sample.index * size, (sample.index + 1) * size), form),
          `taken for a ${decided}`,
        ),
        ...sample.explanations.map(({ method, values }) =>
          picture(pen, signed(values, Math.max(...values.map(Math.abs), Number.MIN_VALUE), form), method),
        ),
      ]
    : [];
  const lines = sample.explanations.map(({ method, stability }) => {
    const said = stability.map((s) =>
      s.change === null
        ? `${degrees(s.seen.degrees)} seen within ${s.radius}`
        : `at most ${s.degrees >= 180 ? "any angle" : degrees(s.degrees)} within ${s.radius} (${degrees(s.seen.degrees)} seen)`,
    );
    return html`<br><small>${method}${said.length > 0 ? `: ${said.join(", ")}` : ""}</small>`;
  });
  const rival = sample.rival === null ? "" : `, not ${nameOf(data.classNames, sample.rival)}`;
  return html`<div class="card"><div class="pictures">${pictures}</div>
<p><b>${decided}</b>${rival}; ${sampleName(data, sample.index)}${lines}</p>${drawn ? null : html`<p><small>${sample.explanations.map(strongest).join("; ")}</small></p>`}</div>
`;
}
