/** @file Training side by side: the same data by several methods, with the map of decisions, the certified discs and the proved constant after every epoch. */
import { showAtMost, showNumber, showPercent } from "lipschitz/report";
import { action } from "../busy.ts";
import { choice, download, field, fill, h } from "../dom.ts";
import type { View } from "../page.ts";
import type { DecisionMap, TrainAsk, TrainState } from "../protocol.ts";

const methods = ["plain", "weight-decay", "clip", "lmt", "lbdn", "lcnn", "adversarial"];

export const trainView: View = ({ client, state }) => {
  const data = choice("data", ["two-moons", "two moons"], ["digits", "digits"], ["dropped", "the open samples"]);
  const epochs = h("input", { type: "number", min: 1, max: 200, value: 30, name: "epochs" });
  const seed = h("input", { type: "number", min: 0, value: 1, name: "seed" });
  const cards = h("div", { class: "cards" });
  const boxes = methods.map((name) =>
    h("input", { type: "checkbox", value: name, checked: ["plain", "lmt", "lbdn"].includes(name) }),
  );
  const start = h("button", { type: "button", onclick: () => begin() }, "Train side by side");
  function begin(): void {
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    fill(
      cards,
      chosen.map((method) =>
        card({ data: data.value as TrainAsk["data"], method, epochs: Number(epochs.value), seed: Number(seed.value) }),
      ),
    );
  }
  function card(ask: TrainAsk): HTMLElement {
    const canvas = h("canvas", {
      width: 280,
      height: 220,
      role: "img",
      "aria-label": `map of the decisions of ${ask.method}`,
    });
    const words = h("p", { "aria-live": "off" }, "waiting");
    const tools = h("div", {});
    const show = (s: TrainState) => {
      words.textContent = `epoch ${s.epoch}: ${s.accuracy === null ? `loss ${showNumber(s.loss)}` : `accuracy ${showPercent(s.accuracy)}`}, constant at most ${s.upper === null ? "-" : showAtMost(s.upper)}`;
      if (s.map) draw(canvas, s.map);
    };
    const job = action<"train">(
      "Train",
      () => client.start("train", ask, show),
      ({ model, state: last }) => {
        show(last);
        fill(
          tools,
          h(
            "button",
            { type: "button", onclick: () => download(`${ask.method}.onnx`, model as BlobPart) },
            "Save the ONNX",
          ),
          h(
            "button",
            {
              type: "button",
              onclick: async () =>
                state.model.set(await client.start("open", { name: `${ask.method}.onnx`, bytes: model }).result),
            },
            "Open it above",
          ),
        );
      },
    );
    job.press();
    return h(
      "article",
      { class: "card", "aria-label": ask.method },
      h("h3", {}, ask.method),
      canvas,
      words,
      job.element,
      tools,
    );
  }
  return h(
    "div",
    {},
    h("div", { class: "row" }, field("data", data), field("epochs", epochs), field("seed", seed)),
    h(
      "fieldset",
      { class: "methods" },
      h("legend", {}, "methods"),
      boxes.map((box) => h("label", { class: "check" }, box, ` ${box.value}`)),
    ),
    start,
    cards,
  );
};

// --- internal ---

const colors = ["86, 180, 233", "213, 94, 0", "0, 158, 115", "204, 121, 167"];

function draw(canvas: HTMLCanvasElement, { x, y, cells, classes, points }: DecisionMap): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const { width, height } = canvas;
  const [across, up] = [width / (x[1] - x[0]), height / (y[1] - y[0])];
  context.clearRect(0, 0, width, height);
  classes.forEach((kind, k) => {
    const [i, j] = [k % cells, Math.trunc(k / cells)];
    context.fillStyle = `rgba(${colors[kind % colors.length]}, 0.35)`;
    context.fillRect(
      Math.floor((i * width) / cells),
      Math.floor(height - ((j + 1) * height) / cells),
      Math.ceil(width / cells),
      Math.ceil(height / cells),
    );
  });
  for (const p of points) {
    const [px, py] = [(p.x - x[0]) * across, height - (p.y - y[0]) * up];
    context.strokeStyle = "rgba(0, 0, 0, 0.25)";
    if (p.radius > 0) {
      context.beginPath();
      context.ellipse(px, py, p.radius * across, p.radius * up, 0, 0, 2 * Math.PI);
      context.stroke();
    }
    context.fillStyle = `rgb(${colors[p.label % colors.length]})`;
    context.beginPath();
    context.arc(px, py, 2.5, 0, 2 * Math.PI);
    context.fill();
  }
}
