/** @file Margins and complexity as a page: the network, and where they were trained its controls. */
import type { NormalizedMargins } from "../certify/normalizedMargins.ts";
import { type MarginLine, marginsFigure } from "./figures/margins.ts";
import { html } from "./html.ts";
import { showPercent } from "./number.ts";
import { page } from "./page.ts";
import { openPen } from "./plot.ts";

/** One network of a comparison. */
export interface MarginsOf {
  readonly label: string;
  /** On its training samples, or on all there are. */
  readonly found: NormalizedMargins;
  /** On samples that it was not trained on; null where there are none. */
  readonly testAccuracy: number | null;
}

export interface MarginsFound {
  /** Names, as their user calls them. */
  readonly model: string;
  readonly data: string;
  readonly networks: readonly MarginsOf[];
}

/** The distributions of margins as an HTML page: as they are, and normalised in both ways. */
export async function marginsPage(
  found: MarginsFound & { readonly tool: string; readonly command: string },
): Promise<string> {
  const pen = await openPen();
  const { model, data, networks, tool, command } = found;
  const colors = ["var(--blue)", "var(--green)", "var(--vermillion)"];
  const lines = (unit: (own: NormalizedMargins) => number): MarginLine[] =>
    networks.flatMap(({ label, found: own }, i) => {
      const by = unit(own);
      if (!(by > 0 && Number.isFinite(by))) return [];
      return [{ label, color: colors[i % colors.length], dashed: i > 0, margins: own.margins.map((m) => m / by) }];
    });
  const figures = [
    marginsFigure(
      pen,
      { title: "Margins as they are", axis: "f_y - max f_j", note: "Left of 0 a sample is decided wrong." },
      lines(() => 1),
    ),
    marginsFigure(
      pen,
      {
        title: "Over the spectral complexity",
        axis: "margin / (R_A ||X||_F / n)",
        note: "Bartlett, Foster and Telgarsky 2017: with norms that are proved. Larger promises a smaller risk on new samples.",
      },
      lines((own) => (own.complexity ? own.complexity.value * own.scale : 0)),
    ),
    marginsFigure(
      pen,
      {
        title: "Over the proved constant",
        axis: "margin / (L ||X||_F / n)",
        note: "The same with a proved Lipschitz constant in the place of R_A.",
      },
      lines((own) => own.constant.upper * own.scale),
    ),
  ];
  const body = html`<header><h1>Margins of ${model} on ${data}</h1>
<p class="quiet">${networks.map(({ label, found: own, testAccuracy }) => `${label}: ${showPercent(own.accuracy)} right${testAccuracy === null ? "" : `, ${showPercent(testAccuracy)} on new samples`}`).join("; ")}.</p></header>
<section><h2>Distributions</h2><div class="figures">${figures}</div></section>
<section id="reproduce"><h2>How to reproduce</h2><pre><code>${command}</code></pre></section>
`;
  return page({ title: `Margins of ${model} - ${tool}`, body });
}
