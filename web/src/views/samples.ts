/** @file Samples of one's own: accuracy, what is certified and what attacks leave over the radius, the weakest samples, and one sample under noise. */
import { figure, openPen, type Pen, showNumber, showPercent, weakestFigure } from "lipschitz/report";
import { action } from "../busy.ts";
import { field, figureOf, fill, h, normChoice } from "../dom.ts";
import type { View } from "../page.ts";
import type { CertifiedFacts, NormWord } from "../protocol.ts";

/** How many of the samples are attacked: seconds in a browser. */
const attackedSamples = 100;

export const samplesView: View = ({ client, state, say }) => {
  const facts = h("p", { class: "quiet", "aria-live": "polite" });
  const error = h("p", { class: "error", role: "alert" });
  const norm = normChoice();
  const radii = h("input", { name: "radii", value: "0.05, 0.1, 0.3, 0.5, 1" });
  const verdict = h("p", { class: "verdict" });
  const figures = h("div", { class: "figures" });
  const meter = h("progress", { max: 1, value: 0, "aria-label": "progress" });
  const open = async (files: readonly File[], example?: "digits" | "iris") => {
    error.textContent = "";
    try {
      const read = await Promise.all(
        files.map(async (f) => ({ name: f.name, bytes: new Uint8Array(await f.arrayBuffer()) })),
      );
      state.data.set(await client.start("data", { files: read, ...(example && { example }) }).result);
    } catch (cause) {
      error.textContent = (cause as Error).message;
    }
  };
  const picker = h("input", {
    type: "file",
    multiple: true,
    accept: ".png,.jpg,.jpeg,.npy,.csv",
    onchange: () => void open([...(picker.files ?? [])]),
  });
  const zone = h(
    "div",
    { class: "drop" },
    field("Drop samples: images, .npy (samples and labels), or .csv (last column the class)", picker),
  );
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    void open([...(event.dataTransfer?.files ?? [])]);
  });
  const numbers = () =>
    radii.value
      .split(",")
      .map(Number)
      .filter((r) => r >= 0);
  const show = async (found: CertifiedFacts) => {
    state.certified.set(found);
    const { certification, weakest, shape, range } = found;
    verdict.textContent = `Accuracy ${showPercent(certification.accuracy)}; mean certified radius ${showNumber(certification.averageRadius)} of ${certification.samples.length} samples.`;
    const pen = await openPen();
    fill(
      figures,
      figureOf(curves(pen, found)),
      figureOf(
        weakestFigure(
          pen,
          { weakest, shape, range } as Parameters<typeof weakestFigure>[1],
          norm.value === "inf" ? "inf" : norm.value === "1" ? 1 : 2,
        ),
      ),
    );
  };
  const ask = action<"certify">(
    "Certify and attack",
    () =>
      client.start("certify", { norm: norm.value as NormWord, radii: numbers(), samples: attackedSamples }, (part) => {
        meter.value = part;
      }),
    async (found) => {
      await show(found);
      say(verdict.textContent ?? "");
    },
  );
  const ready = () => ask.enable(state.model.get() !== null && state.data.get() !== null);
  state.model.watch(ready);
  state.data.watch((data) => {
    ready();
    verdict.textContent = "";
    fill(figures);
    facts.textContent = data
      ? `${data.name}: ${data.count} samples of [${data.shape.join(", ")}], ${data.labelled ? `${data.classes} classes` : "no labels: the network's own decisions stand for them"}.`
      : "No samples are open.";
  });
  return h(
    "div",
    {},
    zone,
    h(
      "p",
      { class: "examples" },
      "Or an example: ",
      h("button", { type: "button", class: "link", onclick: () => void open([], "digits") }, "digits"),
      h("button", { type: "button", class: "link", onclick: () => void open([], "iris") }, "iris"),
    ),
    error,
    facts,
    h("div", { class: "row" }, field("norm", norm), field("radii", radii), ask.element, meter),
    verdict,
    figures,
    oneSample({ client, state, say }),
  );
};

// --- internal ---

/** Certified below, attacked above: the truth is between. */
function curves(pen: Pen, { certification, left }: CertifiedFacts): ReturnType<typeof figure> {
  const right = certification.samples.filter((s) => s.predicted === s.label);
  const most = 1.2 * Math.max(...certification.certified.map((c) => c.radius), 0.01);
  const rows = Array.from({ length: 101 }, (_, k) => {
    const radius = (k / 100) * most;
    return { radius, certified: right.filter((s) => s.radius >= radius).length / certification.samples.length };
  });
  const title = "Certified accuracy, and what attacks leave";
  const { plot } = pen;
  const drawing = pen.draw(
    {
      x: { label: "radius", domain: [0, most] },
      y: { label: "samples", domain: [0, 1], tickFormat: "%", grid: true },
      marks: [
        plot.line(rows, { x: "radius", y: "certified", stroke: "var(--blue)", strokeWidth: 2.5 }),
        plot.dot([...left], { x: "radius", y: "accuracy", fill: "var(--vermillion)", r: 5 }),
      ],
    },
    { title },
  );
  return figure({
    title,
    drawing,
    legend: [
      { label: "certified: proved to be right", color: "var(--blue)" },
      { label: `left by attacks on the first ${attackedSamples} samples`, color: "var(--vermillion)", style: "dot" },
    ],
  });
}

/** One sample, moved by noise of a chosen length: its picture, its outputs, and whether the length is within its certified radius. */
const oneSample: View = ({ client, state }) => {
  const index = h("input", { type: "number", min: 0, value: 0, name: "sample", onchange: () => draw() });
  const distance = h("input", {
    type: "range",
    min: 0,
    max: 3,
    step: 0.01,
    value: 0.3,
    name: "distance",
    oninput: () => draw(),
  });
  const words = h("p", { "aria-live": "polite" });
  const pictures = h("div", { class: "pictures" });
  const holder = h(
    "details",
    {},
    h("summary", {}, "One sample under noise"),
    h("div", { class: "row" }, field("sample", index), field("length of the noise, l2", distance)),
    words,
    pictures,
  );
  let asked = 0;
  async function draw(): Promise<void> {
    const data = state.data.get();
    if (!data || !state.model.get()) {
      words.textContent = "Open a model and samples first.";
      return;
    }
    const mine = ++asked;
    const at = Math.min(Math.max(0, Math.trunc(Number(index.value))), data.count - 1);
    const length = Number(distance.value);
    try {
      const { before, after, x, moved } = await client.start("perturb", { index: at, distance: length, seed: 1 })
        .result;
      if (mine !== asked) return;
      const decision = (outputs: readonly number[]) => outputs.indexOf(Math.max(...outputs));
      const certified = state.certified.get()?.certification.samples[at];
      const radius = certified
        ? ` Its certified radius is ${showNumber(certified.radius)}: ${length <= certified.radius ? "no noise of this length can change the decision" : "longer, so nothing is promised"}.`
        : "";
      words.textContent = `Sample ${at} is decided ${decision(before)}; with noise of length ${showNumber(length)} ${decision(after)}.${radius}`;
      fill(pictures, picture(x, data.shape), picture(moved, data.shape));
    } catch (cause) {
      words.textContent = (cause as Error).message;
    }
  }
  holder.addEventListener("toggle", () => void (holder.open && draw()));
  return holder;
};

function picture(values: readonly number[], shape: readonly number[]): HTMLElement {
  const [channels, height, width] = shape;
  if (shape.length !== 3 || (channels !== 1 && channels !== 3))
    return h("p", { class: "quiet" }, values.slice(0, 12).map(showNumber).join(", "));
  const canvas = h("canvas", { width, height, role: "img", "aria-label": "the sample" });
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(width, height);
  for (let at = 0; at < width * height; at++) {
    for (let c = 0; c < 3; c++) image.data[4 * at + c] = 255 * values[(channels === 1 ? 0 : c) * width * height + at];
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
