/** @file The constant where each input stays in a range: a controller's gain, the worst state that was found, and whether a required gain is kept. */
import type { Bracket, Witness } from "lipschitz";
import { showAtMost, showNumber } from "lipschitz/report";
import { action } from "../busy.ts";
import { field, fill, h, normChoice } from "../dom.ts";
import type { View } from "../page.ts";
import type { Box, NormWord } from "../protocol.ts";
import { sentenceOf } from "./bound.ts";

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

/** More inputs than this have no fields of their own: one range stands for all. */
const mostFields = 12;

export const boxView: View = ({ client, state }) => {
  const norm = normChoice();
  const ranges = h("div", { class: "ranges" });
  const verdict = h("p", { class: "verdict", "aria-live": "polite" });
  const worst = h("div", {});
  const required = h("input", { type: "range", min: -3, max: 3, step: 0.01, value: 1, oninput: () => judge() });
  const requiredWords = h("output", {});
  const keeps = h("p", { class: "keeps", "aria-live": "polite" });
  let latest: Bracket | null = null;
  let fields: { readonly low: HTMLInputElement; readonly high: HTMLInputElement }[] = [];

  const judge = () => {
    const limit = 10 ** Number(required.value);
    requiredWords.textContent = showNumber(limit);
    const { upper, lower } = latest ?? {};
    keeps.dataset.verdict = !latest
      ? ""
      : upper?.proved && upper.value <= limit
        ? "yes"
        : lower && lower.value > limit
          ? "no"
          : "open";
    keeps.textContent = !latest
      ? ""
      : upper?.proved && upper.value <= limit
        ? `Proved: the gain is at most ${showAtMost(upper.value)}, within the ${showNumber(limit)} required.`
        : lower && lower.value > limit
          ? `Refuted: two inputs in the box show a gain of ${showNumber(lower.value)}, more than ${showNumber(limit)}.`
          : "Open: neither proved nor refuted; give it more time or a smaller box.";
  };
  const box = (): Box => {
    const size = state.model.get()?.size ?? 0;
    const low = fields.map((f) => Number(f.low.value));
    const high = fields.map((f) => Number(f.high.value));
    return fields.length === size
      ? { low, high }
      : { low: new Array(size).fill(low[0]), high: new Array(size).fill(high[0]) };
  };
  const show = (bracket: Bracket) => {
    latest = bracket;
    verdict.textContent = sentenceOf(bracket);
    judge();
    const witness = bracket.lower?.witness;
    const few = witness && witness.x.length <= mostFields;
    fill(worst, few ? h("p", {}, `Steepest pair found: ${pairWords(witness)}.`) : null);
  };
  const ask = action<"bound">(
    "Bracket the gain",
    () => client.start("bound", { norm: norm.value as NormWord, box: box(), seconds: 3 }, show),
    show,
  );
  state.model.watch((model) => {
    ask.enable(model !== null);
    latest = null;
    verdict.textContent = "";
    judge();
    const count = model ? (model.size <= mostFields ? model.size : 1) : 0;
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
  });
  return h(
    "div",
    {},
    ranges,
    h("div", { class: "row" }, field("norm", norm), ask.element),
    verdict,
    worst,
    h("label", { class: "field" }, h("span", {}, "required gain: ", requiredWords), required),
    keeps,
  );
};
