/** @file What was found of samples as figures, for the page and its report: certified and attacked curves, and the weakest samples. */
import { figure, type Html, type Pen, weakestFigure } from "lipschitz/report";
import type { CertifiedFacts } from "./protocol.ts";

/** How many of the samples are attacked: seconds in a browser. */
export const attackedSamples = 100;

export function certifiedFigures(pen: Pen, found: CertifiedFacts): readonly (Html | null)[] {
  const { weakest, shape, range, certification } = found;
  const norm = certification.norm === "inf" ? "inf" : certification.norm === "1" ? 1 : 2;
  return [curves(pen, found), weakestFigure(pen, { weakest, shape, range }, norm)];
}

// --- internal ---

/** Certified below, attacked above: the truth is between. */
function curves(pen: Pen, { certification, left }: CertifiedFacts): ReturnType<typeof figure> {
  const right = certification.samples.filter((s) => s.predicted === s.label);
  const most = 1.2 * Math.max(...certification.certified.map((c) => c.radius), 0.01);
  const rows = Array.from({ length: 101 }, (_, k) => {
    const radius = (k / 100) * most;
    return { radius, certified: right.filter((s) => s.radius >= radius).length / certification.samples.length };
  });
  const title = "Certified accuracy, and what attacks leave";
  const { plot } = pen;
  const drawing = pen.draw(
    {
      x: { label: "radius", domain: [0, most] },
      y: { label: "samples", domain: [0, 1], tickFormat: "%", grid: true },
      marks: [
        plot.line(rows, { x: "radius", y: "certified", stroke: "var(--blue)", strokeWidth: 2.5 }),
        plot.dot([...left], { x: "radius", y: "accuracy", fill: "var(--vermillion)", r: 5 }),
      ],
    },
    { title },
  );
  return figure({
    title,
    drawing,
    legend: [
      { label: "certified: proved to be right", color: "var(--blue)" },
      { label: `left by attacks on the first ${attackedSamples} samples`, color: "var(--vermillion)", style: "dot" },
    ],
  });
}
