/** @file Samples of one's own: accuracy, what is certified and what attacks leave over the radius, the weakest samples, and one sample under noise. */
import { openPen, showNumber, showPercent } from "lipschitz/report";
import { action } from "../busy.ts";
import { commandLine, quoted } from "../commandLine.ts";
import { choice, field, figureOf, fill, h, normChoice } from "../dom.ts";
import type { View } from "../page.ts";
import type { CertifiedFacts, Direction, NormWord } from "../protocol.ts";
import { attackedSamples, certifiedFigures } from "../samples.ts";

export const samplesView: View = ({ client, state, say }) => {
  const facts = h("p", { class: "quiet", "aria-live": "polite" });
  const error = h("p", { class: "error", role: "alert" });
  const norm = normChoice();
  const radii = h("input", { name: "radii", value: "0.05, 0.1, 0.3, 0.5, 1" });
  const most = h("input", { type: "number", min: 1, name: "samples", placeholder: "all" });
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
  const line = commandLine();
  const command = () => {
    const [model, data] = [state.model.get(), state.data.get()];
    if (!model || !data) return null;
    return `npx lipschitz certify ${quoted(model.name)} --data ${data.words.map(quoted).join(" ")} --radii ${numbers().join(",")} --norm ${norm.value}${most.value && " # all samples"}`;
  };
  const words = () => line.show(command());
  const show = async (found: CertifiedFacts) => {
    state.certified.set({ found, command: command() ?? "" });
    const { certification } = found;
    verdict.textContent = `Accuracy ${showPercent(certification.accuracy)}; mean certified radius ${showNumber(certification.averageRadius)} of ${certification.samples.length} samples.`;
    fill(figures, certifiedFigures(await openPen(), found).map(figureOf));
  };
  const ask = action<"certify">(
    "Certify and attack",
    () =>
      client.start(
        "certify",
        {
          norm: norm.value as NormWord,
          radii: numbers(),
          samples: Number(most.value) || Number.MAX_SAFE_INTEGER,
          attacked: attackedSamples,
        },
        (part) => {
          meter.value = part;
        },
      ),
    async (found) => {
      await show(found);
      say(verdict.textContent ?? "");
    },
  );
  const ready = () => ask.enable(state.model.get() !== null && state.data.get() !== null);
  norm.addEventListener("change", words);
  radii.addEventListener("change", words);
  most.addEventListener("change", words);
  state.model.watch(() => {
    ready();
    words();
    verdict.textContent = "";
    fill(figures);
  });
  state.data.watch((data) => {
    ready();
    words();
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
    h(
      "div",
      { class: "row" },
      field("norm", norm),
      field("radii", radii),
      field("samples at most", most),
      ask.element,
      meter,
    ),
    verdict,
    figures,
    line.element,
    oneSample({ client, state, say }),
  );
};

// --- internal ---

/** One sample, moved by a chosen length: its picture, its outputs, and whether the length is within its certified radius. */
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
  const towards = choice("towards", ["noise", "noise"], ["attack", "the closest attack found"]);
  towards.addEventListener("change", () => draw());
  const draws = h("input", { type: "number", min: 1, value: 1, name: "noise", onchange: () => draw() });
  const words = h("p", { "aria-live": "polite" });
  const pictures = h("div", { class: "pictures" });
  const holder = h(
    "details",
    {},
    h("summary", {}, "One sample, moved"),
    h(
      "div",
      { class: "row" },
      field("sample", index),
      field("moved along", towards),
      field("seed of the noise", draws),
      field("by the length, l2", distance),
    ),
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
      const { before, after, x, moved } = await client.start("perturb", {
        index: at,
        distance: length,
        towards: towards.value as Direction,
        seed: Number(draws.value),
      }).result;
      if (mine !== asked) return;
      const decision = (outputs: readonly number[]) => outputs.indexOf(Math.max(...outputs));
      const { certification } = state.certified.get()?.found ?? {};
      const certified = certification?.norm === "2" ? certification.samples[at] : undefined;
      const radius = certified
        ? ` Its certified radius is ${showNumber(certified.radius)}: ${length <= certified.radius ? "no change of this length can change the decision" : "this is longer, so nothing is promised"}.`
        : "";
      words.textContent = `Sample ${at} is decided ${decision(before)}; moved by the length ${showNumber(length)}, ${decision(after)}.${radius}`;
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
