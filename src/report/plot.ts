/** @file Plots as SVG text: Observable Plot, loaded when first asked for, on the page's own document or, where there is none, on one made of objects. */
import type * as ObservablePlot from "@observablehq/plot";
import type { ImageData } from "fast-png";
import { asHtml, escapeHtml, type Html } from "./html.ts";

export type Plot = typeof ObservablePlot;

/** Colours of Okabe and Ito, which the colour-blind tell apart, as the page's style sheet names them: on dark paper some are others. */
export const palette = ["--blue", "--vermillion", "--green", "--purple", "--orange", "--black"].map((c) => `var(${c})`);

/** The colour of the kth thing. */
export const colorOf = (k: number): string => palette[k % palette.length];

export interface Words {
  /** What is drawn, for who cannot see it. */
  readonly title: string;
  readonly description?: string;
}

export interface Pen {
  readonly plot: Plot;
  /** Draw to an inline SVG. */
  draw(options: ObservablePlot.PlotOptions, words: Words): Html;
  /** The bytes of a PNG. */
  png(image: ImageData): Uint8Array;
}

/** Load what draws: nothing that does not draw waits for it. */
export async function openPen(): Promise<Pen> {
  const plot = await import("@observablehq/plot");
  const { encode } = await import("fast-png");
  const document = await pageDocument();
  return {
    plot,
    png: (image) => encode(image),
    draw(options, { title, description }) {
      const svg = plot.plot({
        document,
        className: "plot",
        width: 520,
        height: 300,
        marginLeft: 52,
        marginBottom: 44,
        marginTop: 30,
        ...options,
        style: { fontSize: "13px" },
      });
      const label = ` role="img" aria-label="${escapeHtml(description ? `${title}. ${description}` : title)}"`;
      // Parts of a picture have no roles, and so no labels of their own.
      const drawn = svg.outerHTML
        .replace(/<style>[\s\S]*?<\/style>/, `<title>${escapeHtml(title)}</title>`)
        .replace(/ aria-label=/g, " data-part=")
        .replace(/ aria-(?:hidden|description)="[^"]*"/g, "");
      return asHtml(rounded(drawn.replace(/^<svg/, `<svg${label}`)));
    },
  };
}

/** The colours, for an SVG that stands alone. */
export function standalone({ markup }: Html): string {
  const named = markup.replace(/^<svg/, '<svg xmlns="http://www.w3.org/2000/svg"');
  return named.replace(
    /<title>/,
    `<style>${colors("svg")}svg{background:var(--paper);color:var(--ink)}</style><title>`,
  );
}

/** The style sheet's colours, light and dark, on a selector. */
export function colors(selector: string): string {
  const list = (entries: Readonly<Record<string, string>>) =>
    Object.entries(entries)
      .map(([name, value]) => `--${name}:${value}`)
      .join(";");
  return `${selector}{${list(light)}}@media screen and (prefers-color-scheme:dark){${selector}{${list(dark)}}}`;
}

// --- internal ---

const light = {
  paper: "#ffffff",
  ink: "#1a1d21",
  muted: "#555c66",
  line: "#d5d9de",
  soft: "#f3f5f7",
  blue: "#0072b2",
  vermillion: "#d55e00",
  green: "#009e73",
  purple: "#cc79a7",
  orange: "#e69f00",
  black: "#000000",
};

const dark = {
  paper: "#14171a",
  ink: "#e9ecef",
  muted: "#a6aeb8",
  line: "#3a4149",
  soft: "#1f2429",
  blue: "#56b4e9",
  vermillion: "#e8762c",
  green: "#1fb38a",
  purple: "#cc79a7",
  orange: "#e69f00",
  black: "#f0e442",
};

async function pageDocument(): Promise<Document> {
  if (typeof document !== "undefined") return document;
  const { parseHTML } = await import("linkedom");
  return parseHTML("<!doctype html><html><body></body></html>").document as unknown as Document;
}

/** Coordinates to a hundredth of a pixel: a third of the size. */
function rounded(svg: string): string {
  return svg.replace(/ (?:d|transform|x|y|x1|y1|x2|y2|cx|cy|r|width|height)="[^"]*"/g, (attribute) =>
    attribute.replace(/-?\d+\.\d{3,}(?:e-?\d+)?/g, (number) => String(Number(Number(number).toFixed(2)))),
  );
}
