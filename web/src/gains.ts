/** @file Slopes and gains on a box as a table, and the worst state that was found, for the page and its report. */
import type { Gains, Slope } from "lipschitz";
import { type Html, html, showAtLeast, showAtMost, showNumber, table } from "lipschitz/report";

/** Of long lists the first rows. */
const mostRows = 60;

export function slopesTable({ slopes, gains, whole, inputs, outputs }: Gains): Html {
  const rows = [
    ...slopes.slice(0, mostRows).map((s) => [s.output, s.input, between(s), trendWords[s.trend]]),
    ...gains.map((g) => [g.output, "all inputs", between(g), ""]),
  ];
  return html`<figure><figcaption><h3>How fast each output changes</h3></figcaption>
${table(
  "Largest slope on the box: witnessed to proved",
  [
    { head: "output", align: "left" },
    { head: "with input", align: "left" },
    { head: "slope", align: "left" },
    { head: "on all of the box", align: "left" },
  ],
  rows,
)}${slopes.length > mostRows ? html`<p class="note">${slopes.length - mostRows} more slopes: the command line has all.</p>` : null}
${whole.steepest ? html`<p>Worst state found: ${named(inputs, whole.steepest.state)}; along ${named(inputs, whole.steepest.direction)} the outputs move by ${named(outputs, whole.steepest.response)}.</p>` : null}</figure>`;
}

// --- internal ---

const trendWords: { readonly [trend in Slope["trend"]]: string } = {
  rises: "rises (proved)",
  falls: "falls (proved)",
  still: "does not move (proved)",
  turns: "rises and falls (witnessed)",
  open: "open",
};

const between = ({ lower, upper }: { readonly lower: number; readonly upper: number }): string =>
  lower === 0 && upper === 0
    ? "0"
    : `${showAtLeast(lower)} to ${upper < Number.POSITIVE_INFINITY ? showAtMost(upper) : "unknown"}`;

const named = (of: readonly { readonly name: string }[], values: readonly number[]): string =>
  of.map(({ name }, i) => `${name} ${showNumber(values[i])}`).join(", ");
