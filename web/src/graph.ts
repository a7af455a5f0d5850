/** @file A picture of the graph: nodes in layers from the input down, darker where the constant grows more. */
import type { LayerBound } from "lipschitz";
import { h } from "./dom.ts";
import type { GraphNode } from "./protocol.ts";

const [cellWidth, cellHeight, boxWidth, boxHeight] = [150, 54, 132, 34];

export function graphPicture(nodes: readonly GraphNode[], layers: readonly LayerBound[]): HTMLElement {
  if (nodes.length === 0) return h("div", {});
  const depth: number[] = [];
  const rows: number[][] = [];
  nodes.forEach((node, k) => {
    depth[k] = node.from.reduce((most, from) => Math.max(most, depth[from] + 1), 0);
    rows[depth[k]] ??= [];
    rows[depth[k]].push(k);
  });
  const widest = Math.max(...rows.map((row) => row.length));
  const place = nodes.map((_, k) => {
    const row = rows[depth[k]];
    return { x: ((row.indexOf(k) + 0.5) * widest * cellWidth) / row.length, y: (depth[k] + 0.5) * cellHeight };
  });
  const svg = element("svg", {
    viewBox: `0 0 ${widest * cellWidth} ${rows.length * cellHeight}`,
    width: widest * cellWidth,
    role: "img",
  });
  svg.append(element("title", {}, `The graph: ${nodes.length} nodes`));
  nodes.forEach((node, k) => {
    for (const from of node.from) {
      const [a, b] = [place[from], place[k]];
      const y1 = a.y + boxHeight / 2;
      const y2 = b.y - boxHeight / 2;
      const bend = (y1 + y2) / 2;
      svg.append(element("path", { d: `M${a.x},${y1} C${a.x},${bend} ${b.x},${bend} ${b.x},${y2}`, class: "edge" }));
    }
  });
  const gain = new Map<string, number>();
  for (const { node, shareOfLog, upper } of layers)
    if (upper > 0) gain.set(node, (gain.get(node) ?? 0) + (shareOfLog ?? 0));
  nodes.forEach((node, k) => {
    const share = gain.get(node.name);
    const group = element("g", { transform: `translate(${place[k].x - boxWidth / 2},${place[k].y - boxHeight / 2})` });
    group.append(
      element("rect", { width: boxWidth, height: boxHeight, rx: 5, class: "node" }),
      element("rect", {
        width: boxWidth,
        height: boxHeight,
        rx: 5,
        class: "blame",
        "fill-opacity": Math.min(0.75, Math.max(0, share ?? 0) * 1.5),
      }),
      element("text", { x: boxWidth / 2, y: 14, "text-anchor": "middle" }, node.op),
      element(
        "text",
        { x: boxWidth / 2, y: 27, "text-anchor": "middle", class: "small" },
        share === undefined ? `[${node.shape.join(",")}]` : `${Math.round(100 * share)} % of log L`,
      ),
      element("title", {}, `${node.name}: ${node.op} [${node.shape.join(",")}]`),
    );
    svg.append(group);
  });
  return h(
    "div",
    { class: "graph" },
    h("h3", {}, "Where it comes from"),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "Picture of the graph" },
      svg as unknown as HTMLElement,
    ),
  );
}

// --- internal ---

function element(name: string, attributes: Readonly<Record<string, string | number>>, text?: string): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}
