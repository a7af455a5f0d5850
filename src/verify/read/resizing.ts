/** @file Operators that repeat numbers on finer grids, or trade channels for places. */
import { type Arguments, check, type Made, type Operators } from "./arguments.ts";
import { moved } from "./places.ts";
import { count, type Varying } from "./step.ts";

export const resizings: Operators = {
  GlobalMaxPool: {
    attributes: [],
    inputs: [1, 1],
    read(a) {
      const x = a.varying(0);
      check(a, x.shape.length > 2, "it must read samples, channels and places");
      const inner = count(x.shape.slice(2));
      const rows = count(x.shape) / inner;
      return {
        kind: "largest",
        tensor: a.out,
        shape: [...x.shape.slice(0, 2), ...x.shape.slice(2).map(() => 1)],
        from: x.tensor,
        start: Int32Array.from({ length: rows + 1 }, (_, i) => i * inner),
        members: Int32Array.from({ length: count(x.shape) }, (_, k) => k),
        most: 1,
      };
    },
  },
  DepthToSpace: {
    attributes: ["blocksize", "mode"],
    inputs: [1, 1],
    read(a) {
      const [x, n, c, h, w, b] = image(a);
      const mode = a.node.attributes.get("mode") ?? "DCR";
      check(a, (mode === "DCR" || mode === "CRD") && c % (b * b) === 0, "its blocks or its mode do not fit");
      const d = c / (b * b);
      return moved(a, x, [n, d, h * b, w * b], ([s, k, i, j]) => {
        const phase = (i % b) * b + (j % b);
        const channel = mode === "DCR" ? phase * d + k : k * b * b + phase;
        return [s, channel, Math.floor(i / b), Math.floor(j / b)];
      });
    },
  },
  SpaceToDepth: {
    attributes: ["blocksize"],
    inputs: [1, 1],
    read(a) {
      const [x, n, c, h, w, b] = image(a);
      check(a, h % b === 0 && w % b === 0, "its blocks do not fit");
      return moved(a, x, [n, c * b * b, h / b, w / b], ([s, k, i, j]) => {
        const phase = Math.floor(k / c);
        return [s, k % c, i * b + Math.floor(phase / b), j * b + (phase % b)];
      });
    },
  },
  // What Resize was before operator set 10: every number repeated by whole factors.
  Upsample: {
    attributes: ["mode", "scales"],
    inputs: [1, 2],
    read(a) {
      const mode = a.word("mode", "nearest");
      check(
        a,
        mode === "nearest" && a.model.opset < 10,
        `it must be nearest, and of an operator set before 10, got ${mode}`,
      );
      const x = a.varying(0);
      return repeated(a, x, a.list("scales") ?? (a.has(1) ? Array.from(a.constant(1).data) : []));
    },
  },
  Resize: {
    attributes: ["mode", "coordinate_transformation_mode", "nearest_mode", "cubic_coeff_a", "extrapolation_value"],
    inputs: [1, 4],
    read(a) {
      a.only("mode", "nearest");
      const x = a.varying(0);
      const attribute = (key: string, otherwise: string) => String(a.node.attributes.get(key) ?? otherwise);
      const where = attribute("coordinate_transformation_mode", "half_pixel");
      const round = attribute("nearest_mode", "round_prefer_floor");
      // By whole factors both repeat every number.
      const repeats =
        (where === "asymmetric" && round === "floor") || (where === "half_pixel" && round === "round_prefer_floor");
      check(a, repeats, `${where} with ${round} is not known`);
      const scales = a.has(2) ? Array.from(a.constant(2).data) : [];
      const factors = scales.length > 0 ? scales : a.has(3) ? a.whole(3).map((d, axis) => d / x.shape[axis]) : [];
      return repeated(a, x, factors);
    },
  },
};

// --- internal ---

function repeated(a: Arguments, x: Varying, factors: readonly number[]): Made {
  check(
    a,
    factors.length === x.shape.length && factors.every((f) => Number.isInteger(f) && f >= 1),
    "it must enlarge every axis by a whole factor",
  );
  const shape = x.shape.map((d, axis) => d * factors[axis]);
  return moved(a, x, shape, (place) => place.map((p, axis) => Math.floor(p / factors[axis])));
}

function image(a: Arguments): readonly [Varying, number, number, number, number, number] {
  const x = a.varying(0);
  const b = a.number("blocksize", 0);
  check(a, x.shape.length === 4 && Number.isInteger(b) && b >= 1, "it must read images, in blocks of a whole number");
  const [n, c, h, w] = x.shape;
  return [x, n, c, h, w, b];
}
