/** @file HTML as text, safe by construction: what is put into a template is escaped unless it is HTML already. */
import { printableLines } from "../tensor/printable.ts";

/** Text that is HTML already. */
export interface Html {
  readonly markup: string;
}

export type Part = string | number | Html | null | readonly Part[];

/** Call text HTML. Only for what this library made itself. */
export const asHtml = (markup: string): Html => ({ markup });

/** Fill a template: strings and numbers are escaped, HTML is not, null is nothing, a list is its parts one after the other. */
export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return asHtml(texts.reduce((all, text, i) => all + (i > 0 ? markupOf(parts[i - 1]) : "") + text, ""));
}

export const escapeHtml = (text: string): string =>
  printableLines(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

export interface Column {
  readonly head: string;
  /** Numbers are set to the right. */
  readonly align?: "left" | "right";
}

/** A table that scrolls by itself where the page is narrower. The first cell of a row is its heading. */
export function table(caption: string, columns: readonly Column[], rows: readonly (readonly Part[])[]): Html {
  const cell = (part: Part, k: number) => {
    const side = columns[k].align === "left" ? html`` : html` class="number"`;
    return k === 0 ? html`<th scope="row">${part}</th>` : html`<td${side}>${part}</td>`;
  };
  return html`<div class="scroll" role="group" aria-label="${caption}" tabindex="0"><table><caption>${caption}</caption>
<thead><tr>${columns.map((c, k) => (k === 0 || c.align === "left" ? html`<th scope="col">${c.head}</th>` : html`<th scope="col" class="number">${c.head}</th>`))}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</tbody></table></div>`;
}

export interface FigureOptions {
  readonly title: string;
  readonly drawing: Html;
  readonly legend?: readonly LegendEntry[];
  /** What a reader should see, or know before believing it. */
  readonly note?: Part;
  /** The numbers behind the drawing. */
  readonly numbers?: Html;
}

export interface LegendEntry {
  readonly label: string;
  readonly color: string;
  readonly style?: "line" | "dashed" | "area" | "dot" | "ring" | SymbolName;
}

/** Shapes that tell things apart where colours do not, as the plotting library draws them. */
export const symbolNames = ["circle", "square", "triangle", "diamond", "star", "cross"] as const;
export type SymbolName = (typeof symbolNames)[number];

/** A drawing with its title, its legend, and the numbers behind it to unfold. */
export function figure({ title, drawing, legend, note, numbers }: FigureOptions): Html {
  return html`<figure><figcaption><h3>${title}</h3></figcaption>
${legend ? legendOf(legend) : null}${drawing}
${note ? html`<p class="note">${note}</p>` : null}${numbers ? html`<details><summary>The numbers: ${title}</summary>${numbers}</details>` : null}</figure>
`;
}

// --- internal ---

function markupOf(part: Part): string {
  if (part === null) return "";
  // A number is not parted from its per cent.
  if (typeof part === "string") return escapeHtml(part.replace(/(\d) %/g, "$1\u00a0%"));
  if (typeof part === "number") return String(part);
  if ("markup" in part) return part.markup;
  return part.map(markupOf).join("");
}

const legendOf = (entries: readonly LegendEntry[]): Html =>
  html`<ul class="legend">${entries.map(
    ({ label, color, style = "line" }) => html`<li>${keyOf(style, color)}${label}</li>`,
  )}</ul>`;

function keyOf(style: NonNullable<LegendEntry["style"]>, color: string): Html {
  const symbol = symbolNames.find((name) => name === style);
  if (symbol === undefined) return html`<span class="key ${style}" style="color:${color}" aria-hidden="true"></span>`;
  return html`<svg class="symbol" viewBox="-8 -8 16 16" style="color:${color}" aria-hidden="true"><path d="${outlines[symbol]}"/></svg>`;
}

const outlines: { readonly [name in SymbolName]: string } = {
  circle: "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0Z",
  square: "M-5.5-5.5H5.5V5.5H-5.5Z",
  triangle: "M0-6.5 6.5 5H-6.5Z",
  diamond: "M0-7.5 5 0 0 7.5-5 0Z",
  star: "M0-7.5 1.7-2.3 7.1-2.3 2.7.9 4.4 6.1 0 2.9-4.4 6.1-2.7.9-7.1-2.3-1.7-2.3Z",
  cross: "M-2-6.5H2V-2H6.5V2H2V6.5H-2V2H-6.5V-2H-2Z",
};
