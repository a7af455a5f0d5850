/** @file The map of a network's decisions in the plane, with a disc around each point in which its decision is proved to stay. */
import type { DecisionMap } from "./protocol.ts";

export function drawMap(canvas: HTMLCanvasElement, { x, y, cells, classes, points }: DecisionMap): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const { width, height } = canvas;
  const [across, up] = [width / (x[1] - x[0]), height / (y[1] - y[0])];
  const ink = getComputedStyle(canvas).color;
  context.clearRect(0, 0, width, height);
  classes.forEach((kind, k) => {
    const [i, j] = [k % cells, Math.trunc(k / cells)];
    context.fillStyle = `rgba(${colors[kind % colors.length]}, 0.35)`;
    // Whole pixels, none of them twice.
    const [left, right] = [i, i + 1].map((edge) => Math.round((edge * width) / cells));
    const [top, bottom] = [j + 1, j].map((edge) => Math.round(height - (edge * height) / cells));
    context.fillRect(left, top, right - left, bottom - top);
  });
  for (const p of points) {
    const [px, py] = [(p.x - x[0]) * across, height - (p.y - y[0]) * up];
    context.strokeStyle = ink;
    if (p.radius > 0) {
      context.globalAlpha = 0.3;
      context.beginPath();
      context.ellipse(px, py, p.radius * across, p.radius * up, 0, 0, 2 * Math.PI);
      context.stroke();
      context.globalAlpha = 1;
    }
    context.fillStyle = `rgb(${colors[p.label % colors.length]})`;
    context.beginPath();
    context.arc(px, py, 2.5, 0, 2 * Math.PI);
    context.fill();
  }
}

// --- internal ---

/** Of the classes, as red, green and blue. */
const colors = ["86, 180, 233", "213, 94, 0", "0, 158, 115", "204, 121, 167"];
