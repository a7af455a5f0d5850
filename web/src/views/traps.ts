/** @file Four ways in which a number about a network goes wrong, each to be replayed here. */
import { h } from "../dom.ts";
import type { View } from "../page.ts";
import { traps } from "../traps.ts";

export const trapsView: View = () =>
  h(
    "div",
    { class: "cards" },
    traps.map(({ title, words, replay }) => {
      const result = h("p", { "aria-live": "polite", class: "trap-result" });
      const show = () => {
        result.textContent = replay();
      };
      return h(
        "article",
        { class: "card" },
        h("h3", {}, title),
        h("p", {}, words),
        h("button", { type: "button", onclick: show }, "Replay"),
        result,
      );
    }),
  );
