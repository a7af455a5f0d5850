/** @file The bracket of the constant as it narrows, every bound that made it, and which nodes of the graph are to blame. */
import type { Bracket } from "lipschitz";
import { blameFigure, bracketFigure, openPen } from "lipschitz/report";
import { sentenceOf, together } from "../bracket.ts";
import { action } from "../busy.ts";
import { commandLine, quoted } from "../commandLine.ts";
import { field, figureOf, fill, h, normChoice } from "../dom.ts";
import { graphPicture } from "../graph.ts";
import type { View } from "../page.ts";
import type { NormWord } from "../protocol.ts";

/** Going on takes so many seconds at first, and each time twice as many. */
const firstSeconds = 10;

export const boundView: View = ({ client, state, say }) => {
  const norm = normChoice();
  const seconds = h("input", { type: "number", min: 0.5, step: 0.5, name: "seconds", placeholder: "any" });
  const verdict = h("p", { class: "verdict", "aria-live": "polite" });
  const figures = h("div", { class: "figures" });
  const line = commandLine();
  let more = firstSeconds;
  const command = (time: string) => {
    const name = state.model.get()?.name;
    return name ? `npx lipschitz bound ${quoted(name)} --norm ${norm.value}${time && ` --seconds ${time}`}` : null;
  };
  const show = async (bracket: Bracket) => {
    verdict.textContent = sentenceOf(bracket);
    // With all digits, for programs that drive the page.
    verdict.dataset.lower = String(bracket.lower?.value);
    verdict.dataset.upper = String(bracket.upper?.value);
    const pen = await openPen();
    fill(
      figures,
      figureOf(bracketFigure(pen, bracket)),
      figureOf(bracket.layers.length > 0 ? blameFigure(pen, bracket) : null),
      graphPicture(state.model.get()?.nodes ?? [], bracket.layers),
    );
  };
  let latest: Bracket | null = null;
  let limit = "";
  /** Ask, and show what is found together with what was known before. */
  const search = (before: Bracket | null) =>
    client.start("bound", { norm: norm.value as NormWord, ...(limit && { seconds: Number(limit) }) }, (bracket) => {
      latest = before ? together(before, bracket) : bracket;
      void show(latest);
    });
  /** What was found until a stop holds as well. */
  const ended = () => {
    further.enable(latest !== null);
    if (!latest) return;
    state.bracket.set({ found: latest, command: command(limit) ?? "" });
    say(sentenceOf(latest));
  };
  const ask = action<"bound">(
    "Bracket the constant",
    () => {
      limit = seconds.value;
      latest = null;
      return search(null);
    },
    async (bracket) => {
      latest = bracket;
      await show(bracket);
    },
    ended,
  );
  const further = action<"bound">(
    "Go on",
    () => {
      limit = String(more);
      more *= 2;
      return search(latest);
    },
    () => {},
    ended,
  );
  const words = () => line.show(command(seconds.value));
  const forget = () => {
    latest = null;
    more = firstSeconds;
    verdict.textContent = "";
    fill(figures);
    state.bracket.set(null);
    further.enable(false);
    words();
  };
  norm.addEventListener("change", forget);
  seconds.addEventListener("change", words);
  state.model.watch((model) => {
    ask.enable(model !== null);
    forget();
    if (model) ask.press();
  });
  return h(
    "div",
    {},
    h("div", { class: "row" }, field("norm", norm), field("seconds at most", seconds), ask.element, further.element),
    verdict,
    figures,
    line.element,
  );
};
