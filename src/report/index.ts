/** @file The report and its figures, for `lipschitz/report`: drawn in Node and in a browser alike. */

export { blameFigure } from "./figures/blame.ts";
export { bracketFigure } from "./figures/bracket.ts";
export { gapsFigure } from "./figures/gaps.ts";
export { type MarginLine, marginsFigure } from "./figures/margins.ts";
export { planeFigure } from "./figures/plane.ts";
export { weakestFigure } from "./figures/weakest.ts";
export type { Reported } from "./groups.ts";
export { asHtml, figure, type Html, html, table } from "./html.ts";
export { type MarginsFound, type MarginsOf, marginsPage } from "./margins.ts";
export { type NetworkFound, renderNetwork } from "./network.ts";
export {
  showAtLeast,
  showAtMost,
  showNorm,
  showNumber,
  showPercent,
  showPercentAtLeast,
  showPercentAtMost,
} from "./number.ts";
export { type PageParts, page, sheet } from "./page.ts";
export { openPen, type Pen } from "./plot.ts";
export { renderReport } from "./report.ts";
export { commandOf } from "./reproduce.ts";
