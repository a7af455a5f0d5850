/** @file Four ways in which a number about a network goes wrong, each to be replayed here by the library itself. */
import { action } from "../busy.ts";
import { h } from "../dom.ts";
import type { View } from "../page.ts";
import { traps } from "../traps.ts";

export const trapsView: View = ({ client }) => {
  // Another draw with each replay.
  let seed = 0;
  return h(
    "div",
    { class: "cards" },
    traps.map(({ name, title, words }) => {
      const result = h("p", { "aria-live": "polite", class: "trap-result" });
      const replay = action<"trap">(
        "Replay",
        () => client.start("trap", { name, seed: ++seed }),
        (found) => {
          result.textContent = found.words;
        },
      );
      return h(
        "article",
        { class: "card", "aria-label": title },
        h("h3", {}, title),
        h("p", {}, words),
        replay.element,
        result,
      );
    }),
  );
};
