/** @file The bracket of the constant as it narrows, every bound that made it, and which nodes of the graph are to blame. */
import type { Bracket } from "lipschitz";
import { blameFigure, bracketFigure, openPen, showAtLeast, showAtMost } from "lipschitz/report";
import { action } from "../busy.ts";
import { field, figureOf, fill, h, normChoice } from "../dom.ts";
import { graphPicture } from "../graph.ts";
import type { View } from "../page.ts";
import type { NormWord } from "../protocol.ts";

export const boundView: View = ({ client, state, say }) => {
  const norm = normChoice();
  const seconds = h("input", { type: "number", min: 0.5, step: 0.5, value: 5, name: "seconds" });
  const verdict = h("p", { class: "verdict", "aria-live": "polite" });
  const figures = h("div", { class: "figures" });
  const line = h("p", {}, h("code", {}));
  const show = async (bracket: Bracket) => {
    verdict.textContent = sentenceOf(bracket);
    const pen = await openPen();
    fill(
      figures,
      figureOf(bracketFigure(pen, bracket)),
      figureOf(bracket.layers.length > 0 ? blameFigure(pen, bracket) : null),
      graphPicture(state.model.get()?.nodes ?? [], bracket.layers),
    );
  };
  const ask = action<"bound">(
    "Bracket the constant",
    () =>
      client.start(
        "bound",
        { norm: norm.value as NormWord, seconds: Number(seconds.value) },
        (bracket) => void show(bracket),
      ),
    async (bracket) => {
      await show(bracket);
      say(sentenceOf(bracket));
    },
  );
  const words = () => {
    const model = state.model.get();
    line.firstElementChild!.textContent = model
      ? `npx lipschitz bound ${model.name} --norm ${norm.value} --seconds ${seconds.value}`
      : "";
  };
  norm.addEventListener("change", words);
  seconds.addEventListener("change", words);
  state.model.watch((model) => {
    ask.enable(model !== null);
    verdict.textContent = "";
    fill(figures);
    words();
    if (model) ask.press();
  });
  return h(
    "div",
    {},
    h("div", { class: "row" }, field("norm", norm), field("seconds for each method", seconds), ask.element),
    verdict,
    figures,
    line,
  );
};

/** What is known, in a sentence. */
export function sentenceOf({ lower, upper, noConstant, domain }: Bracket): string {
  const where = domain === "global" ? "" : " on the box";
  if (noConstant && !upper) return `There is no constant${where}: ${noConstant.why} at ${noConstant.node}.`;
  const above = upper?.proved ? `proved to be at most ${showAtMost(upper.value)}` : "not bounded yet";
  const below = lower ? `; a pair of inputs shows that it is at least ${showAtLeast(lower.value)}` : "";
  return `The constant${where} is ${above}${below}.`;
}
