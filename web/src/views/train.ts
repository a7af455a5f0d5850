/** @file Training side by side: the same data by several methods, with the map of decisions, the certified discs and the proved constant after every epoch. */
import { commandOf, type Reported, renderReport, showAtMost, showNumber, showPercent } from "lipschitz/report";
import { action } from "../busy.ts";
import { commandLine } from "../commandLine.ts";
import { choice, download, field, fill, h } from "../dom.ts";
import { drawMap } from "../map.ts";
import type { View } from "../page.ts";
import { mapSize, type TrainAsk, type TrainState } from "../protocol.ts";

const methods: readonly TrainAsk["method"][] = [
  "plain",
  "weight-decay",
  "clip",
  "weight-penalty",
  "lmt",
  "lbdn",
  "lcnn",
  "grad-reg",
  "cure",
  "softplus-decay",
  "adversarial",
];

export const trainView: View = ({ client, state, say }) => {
  const data = choice("data", ["two-moons", "two moons"], ["digits", "digits"], ["dropped", "the open samples"]);
  const epochs = h("input", { type: "number", min: 1, max: 200, value: 30, name: "epochs" });
  const seed = h("input", { type: "number", min: 0, value: 1, name: "seed" });
  const cards = h("div", { class: "cards" });
  const boxes = methods.map((name) =>
    h("input", { type: "checkbox", value: name, checked: ["plain", "lmt", "lbdn"].includes(name) }),
  );
  const start = h("button", { type: "button", onclick: () => begin() }, "Train side by side");
  const save = h("button", { type: "button", disabled: true, onclick: () => void write() }, "Save the comparison");
  let reported: Reported[] = [];
  function begin(): void {
    reported = [];
    save.disabled = true;
    const chosen = methods.filter((_, k) => boxes[k].checked);
    fill(
      cards,
      chosen.map((method) =>
        card({ data: data.value as TrainAsk["data"], method, epochs: Number(epochs.value), seed: Number(seed.value) }),
      ),
    );
  }
  async function write(): Promise<void> {
    try {
      download("report.html", await renderReport(reported), "text/html");
      say("report.html is saved.");
    } catch (cause) {
      say((cause as Error).message);
    }
  }
  function card(ask: TrainAsk): HTMLElement {
    const canvas = h("canvas", {
      ...mapSize,
      role: "img",
      "aria-label": `map of the decisions of ${ask.method}`,
      hidden: true,
    });
    const words = h("p", { class: "state", "aria-live": "off" }, "waiting");
    const course = h("p", { class: "quiet" });
    const tools = h("div", {});
    const line = commandLine();
    const constants: number[] = [];
    const show = (s: TrainState) => {
      words.textContent = `epoch ${s.epoch}: ${s.accuracy === null ? `loss ${showNumber(s.loss)}` : `accuracy ${showPercent(s.accuracy)}`}, constant at most ${s.upper === null ? "-" : showAtMost(s.upper)}`;
      if (s.upper !== null) constants.push(s.upper);
      course.textContent = `the constant so far: ${everyFew(constants)
        .map((v) => showAtMost(v))
        .join(", ")}`;
      canvas.hidden = s.map === null;
      if (s.map) drawMap(canvas, s.map);
    };
    const offer = (model: Uint8Array) => {
      const name = `${ask.method}.onnx`;
      const open = async () => state.model.set(await client.start("open", { name, bytes: model }).result);
      fill(
        tools,
        h("button", { type: "button", onclick: () => download(name, model as BlobPart) }, "Save the ONNX"),
        h("button", { type: "button", onclick: () => void open() }, "Open it above"),
      );
    };
    const measuring = h("p", { class: "quiet" });
    const job = action<"train">(
      "Train",
      () => {
        constants.length = 0;
        return client.start("train", ask, (word) => {
          if (word.kind === "spec") line.show(commandOf(word.spec).replace(/^/, "npx "));
          else if (word.kind === "epoch") show(word.state);
          else if (word.kind === "model") offer(word.bytes);
          else measuring.textContent = `measuring: ${word.what} ${Math.round(100 * word.part)} %`;
        });
      },
      (found) => {
        const { averageRadius, bracket } = found.record;
        measuring.textContent = `measured: constant at most ${bracket.upper?.proved ? showAtMost(bracket.upper.value) : "-"}${averageRadius === null ? "" : `, mean certified radius ${showNumber(averageRadius)}`}`;
        reported = [...reported.filter((r) => r.record.spec.method.name !== ask.method), found];
        save.disabled = false;
      },
    );
    job.press();
    return h(
      "article",
      { class: "card", "aria-label": ask.method },
      h("h3", {}, ask.method),
      canvas,
      words,
      course,
      measuring,
      job.element,
      tools,
      line.element,
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
    h("div", { class: "row" }, start, save),
    cards,
  );
};

// --- internal ---

/** At most eight of a list, the last among them. */
function everyFew(values: readonly number[]): readonly number[] {
  const step = Math.ceil(values.length / 8);
  return values.filter((_, k) => (values.length - 1 - k) % step === 0);
}
