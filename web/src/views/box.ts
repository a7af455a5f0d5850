/** @file Where each input stays in a range: how fast each output changes with each input, the worst state that was found, and whether a required gain is kept. */
import type { Bracket, Gains, Witness } from "lipschitz";
import { showAtMost, showNumber } from "lipschitz/report";
import { sentenceOf } from "../bracket.ts";
import { type Action, action } from "../busy.ts";
import { commandLine, quoted } from "../commandLine.ts";
import { field, figureOf, fill, h, normChoice } from "../dom.ts";
import { slopesTable } from "../gains.ts";
import type { View } from "../page.ts";
import type { Box, NormWord } from "../protocol.ts";

/** More inputs than this have no fields of their own: one range stands for all, and the constant for all slopes. */
const mostFields = 12;

/** The box is cut until upper <= lower (1 + gap). */
const gap = 0.05;

export const boxView: View = ({ client, state }) => {
  const norm = normChoice();
  const seconds = h("input", { type: "number", min: 1, value: 10, name: "seconds" });
  const ranges = h("div", { class: "ranges" });
  const verdict = h("p", { class: "verdict", "aria-live": "polite" });
  const worst = h("div", {});
  const required = h("input", { type: "range", min: -3, max: 3, step: 0.01, value: 1, oninput: () => judge() });
  const requiredWords = h("output", {});
  const keeps = h("p", { class: "keeps", "aria-live": "polite" });
  const meter = h("progress", { max: 1, value: 0, "aria-label": "progress", hidden: true });
  const line = commandLine();
  let latest: Between | null = null;
  let fields: { readonly low: HTMLInputElement; readonly high: HTMLInputElement }[] = [];

  const judge = () => {
    const limit = 10 ** Number(required.value);
    requiredWords.textContent = showNumber(limit);
    const { kept, words } = latest ? judged(latest, limit) : { kept: "", words: "" };
    keeps.dataset.verdict = kept;
    keeps.textContent = words;
  };
  const box = (): Box => {
    const size = state.model.get()?.size ?? 0;
    const low = fields.map((f) => Number(f.low.value));
    const high = fields.map((f) => Number(f.high.value));
    return fields.length === size
      ? { low, high }
      : { low: new Array(size).fill(low[0]), high: new Array(size).fill(high[0]) };
  };
  const command = () => {
    const model = state.model.get();
    if (!model) return null;
    const [first] = fields;
    const each = fields.map((f) => `${f.low.value}:${f.high.value}`).join(",");
    const words = fields.length === model.size ? each : `${first?.low.value},${first?.high.value}`;
    const asked = `${quoted(model.name)} --box=${words} --norm ${norm.value} --seconds ${seconds.value}`;
    return model.size <= mostFields ? `npx lipschitz gain ${asked} --gap ${gap}` : `npx lipschitz bound ${asked}`;
  };
  const words = () => line.show(command());
  const showBracket = (bracket: Bracket) => {
    const { lower, upper } = bracket;
    latest = { lower: lower?.value ?? 0, upper: upper?.proved ? upper.value : Number.POSITIVE_INFINITY };
    verdict.textContent = sentenceOf(bracket);
    judge();
  };
  const showGains = (found: Gains) => {
    latest = found.whole;
    const above =
      latest.upper < Number.POSITIVE_INFINITY ? `proved to be at most ${showAtMost(latest.upper)}` : "not bounded yet";
    verdict.textContent = `The gain of all outputs together on the box is ${above}; a pair of inputs shows ${showNumber(latest.lower)}.`;
    judge();
    const { witness } = found.whole;
    fill(worst, figureOf(slopesTable(found)), witness ? h("p", {}, `The pair: ${pairWords(witness)}.`) : null);
  };
  const asked = () => ({ norm: norm.value as NormWord, box: box(), seconds: Number(seconds.value) });
  const askGains = action<"gains">(
    "Prove slopes and gains",
    () => {
      meter.hidden = false;
      return client.start("gains", { ...asked(), gap }, (ratio) => {
        meter.value = Math.min(1, 1 / ratio);
      });
    },
    (found) => {
      showGains(found);
      state.gains.set({ found, command: command() ?? "" });
    },
    () => {
      meter.hidden = true;
    },
  );
  const askBracket = action<"bound">(
    "Bracket the constant on the box",
    () => client.start("bound", asked(), showBracket),
    (found) => {
      showBracket(found);
      state.gains.set({ found, command: command() ?? "" });
    },
  );
  norm.addEventListener("change", words);
  seconds.addEventListener("change", words);
  ranges.addEventListener("input", words);
  state.model.watch((model) => {
    const few = (model?.size ?? 0) <= mostFields;
    const choose = (own: Action, chosen: boolean) => {
      own.enable(model !== null);
      own.element.hidden = !chosen;
    };
    choose(askGains, few);
    choose(askBracket, !few);
    latest = null;
    verdict.textContent = "";
    fill(worst);
    judge();
    const count = model ? (few ? model.size : 1) : 0;
    fields = Array.from({ length: count }, () => ({
      low: h("input", { type: "number", step: "any", value: -1, "aria-label": "low" }),
      high: h("input", { type: "number", step: "any", value: 1, "aria-label": "high" }),
    }));
    fill(
      ranges,
      fields.map((f, k) =>
        h(
          "fieldset",
          {},
          h("legend", {}, count === model?.size ? `input ${k + 1}` : `all ${model?.size} inputs`),
          f.low,
          " to ",
          f.high,
        ),
      ),
    );
    words();
  });
  return h(
    "div",
    {},
    ranges,
    h(
      "div",
      { class: "row" },
      field("norm", norm),
      field("seconds at most", seconds),
      askGains.element,
      askBracket.element,
      meter,
    ),
    verdict,
    worst,
    h("label", { class: "field" }, h("span", {}, "required gain: ", requiredWords), required),
    keeps,
    line.element,
  );
};

// --- internal ---

interface Between {
  readonly lower: number;
  /** Proved. */
  readonly upper: number;
}

/** Is a required gain kept? Proved, refuted by two inputs, or open. */
function judged(
  { lower, upper }: Between,
  limit: number,
): { readonly kept: "yes" | "no" | "open"; readonly words: string } {
  if (upper <= limit) {
    return {
      kept: "yes",
      words: `Proved: the gain is at most ${showAtMost(upper)}, within the ${showNumber(limit)} required.`,
    };
  }
  if (lower > limit) {
    return {
      kept: "no",
      words: `Refuted: two inputs in the box show a gain of ${showNumber(lower)}, more than ${showNumber(limit)}.`,
    };
  }
  return { kept: "open", words: "Open: neither proved nor refuted on this box; a smaller one may decide it." };
}

/** Two points, each number with as many digits as tell it from that of the other. */
function pairWords({ x, y }: Witness): string {
  const digits = x.map((v, k) => {
    let n = 4;
    while (n < 17 && v !== y[k] && v.toPrecision(n) === y[k].toPrecision(n)) n++;
    return n;
  });
  const words = (point: readonly number[]) => point.map((v, k) => String(Number(v.toPrecision(digits[k])))).join(", ");
  return `[${words(x)}] and [${words(y)}]`;
}
