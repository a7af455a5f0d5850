/** @file Matrix products and convolutions, as they are drawn: transposes, factors of 0 and below, groups, dilations, every way to pad. */
import type { Builder, Drawn, Emit, Value } from "../builder.ts";

const matmul: Emit = (g, x) => {
  const rank = x.shape.length;
  const last = x.shape[rank - 1];
  if (g.chance(0.15) && rank >= 2 && !(g.free && rank === 2)) {
    // By a matrix on the left.
    const rows = g.integer(1, 3);
    const w = g.weights([rows, x.shape[rank - 2]]);
    return g.add("MatMul", [w, x], {}, [...x.shape.slice(0, -2), rows, last]);
  }
  if (g.chance(0.1) && rank >= 3 && x.shape[rank - 2] === last) {
    return g.add("MatMul", [x, x], {}, x.shape);
  }
  if (g.chance(0.1) && rank >= 2) return g.add("MatMul", [x, g.weights([last])], {}, x.shape.slice(0, -1));
  const columns = g.integer(1, 4);
  return g.add("MatMul", [x, g.weights([last, columns])], {}, [...x.shape.slice(0, -1), columns]);
};

const gemm: Emit = (g, x) => {
  const [m, k] = x.shape;
  const n = g.integer(1, 4);
  const factor = () => ({ float: g.pick([1, 0.5, -2, 0, 3]) });
  const [alpha, beta] = [g.chance(0.4) ? factor() : undefined, g.chance(0.4) ? factor() : undefined];
  const bias = (rows: number, columns: number): Value | null => {
    if (g.opset >= 11 && g.chance(0.3)) return null;
    const shapes =
      g.opset < 7
        ? [[columns]]
        : [
            [columns],
            [1, columns],
            [1],
            [],
            ...(g.free
              ? []
              : [
                  [rows, 1],
                  [rows, columns],
                ]),
          ];
    return g.weights(g.pick(shapes));
  };
  const old = g.opset < 7 ? { broadcast: 1 } : {};
  if (!g.free && g.chance(0.2)) {
    const transA = 1;
    const transB = g.integer(0, 1);
    const w = g.weights(transB ? [n, m] : [m, n]);
    return g.add("Gemm", [x, w, bias(k, n)], { transA, transB, alpha, beta, ...old }, [k, n]);
  }
  if (!g.free && g.chance(0.2)) {
    // The input on the right.
    const transB = g.integer(0, 1);
    const [inner, columns] = transB ? [k, m] : [m, k];
    const rows = g.integer(1, 3);
    return g.add("Gemm", [g.weights([rows, inner]), x, bias(rows, columns)], { transB, alpha, beta, ...old }, [
      rows,
      columns,
    ]);
  }
  const transB = g.integer(0, 1);
  const w = g.weights(transB ? [n, k] : [k, n]);
  return g.add(
    "Gemm",
    [x, w, bias(m, n)],
    { transB: g.chance(0.5) || transB ? transB : undefined, alpha, beta, ...old },
    [m, n],
  );
};

const fused: Emit = (g, x) => {
  const rank = x.shape.length;
  const last = x.shape[rank - 1];
  const n = g.integer(1, 3);
  const transB = g.integer(0, 1);
  const attributes = { transB, alpha: g.chance(0.6) ? { float: g.pick([0.5, -2, 0]) } : undefined };
  const w = g.weights(transB ? [n, last] : [last, n]);
  return g.add("FusedMatMul", [x, w], attributes, [...x.shape.slice(0, -1), n], "float", "com.microsoft");
};

const inverse: Emit = (g, x) => {
  const rank = x.shape.length;
  // A runtime does not look whether the matrix is square: with a free batch it must not be a side of it.
  if (x.shape[rank - 1] !== x.shape[rank - 2] || (g.free && rank < 3)) return null;
  const n = x.shape[rank - 1];
  const eye = g.constant(
    "float",
    [n, n],
    Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 5 : 0)),
  );
  const small = g.add("Tanh", [x], {}, x.shape);
  const clear = g.add("Add", [small, eye], {}, x.shape);
  return g.add("Inverse", [clear], {}, x.shape, "float", "com.microsoft");
};

/** Window attributes, and the lengths that come out; null where the window does not fit. */
export interface Window {
  readonly attributes: Readonly<Record<string, number | string | readonly number[] | undefined>>;
  readonly space: readonly number[];
}

export function window(
  g: Builder,
  space: readonly number[],
  kernel: readonly number[],
  { dilations: dilated, ceil, same }: { readonly dilations: boolean; readonly ceil: boolean; readonly same: boolean },
): Window | null {
  const strides = space.map(() => g.pick([1, 1, 2, 3]));
  const dilations = space.map(() => (dilated && g.chance(0.25) ? 2 : 1));
  const extent = kernel.map((k, i) => dilations[i] * (k - 1) + 1);
  const auto = g.pick(["", "", "", "VALID", ...(same ? ["SAME_UPPER", "SAME_LOWER"] : [])]);
  const pads =
    auto === "" && g.chance(0.6) ? [...kernel, ...kernel].map((k) => g.integer(0, Math.max(0, k - 1))) : null;
  const out = space.map((d, i) => {
    if (auto.startsWith("SAME")) return Math.ceil(d / strides[i]);
    const over = d + (pads?.[i] ?? 0) + (pads?.[i + space.length] ?? 0) - extent[i];
    if (over < 0) return 0;
    if (!ceil) return Math.floor(over / strides[i]) + 1;
    const n = Math.ceil(over / strides[i]) + 1;
    return (n - 1) * strides[i] >= d + (pads?.[i] ?? 0) ? n - 1 : n;
  });
  if (out.some((d) => d < 1)) return null;
  const said = (list: readonly number[]) => (list.every((v) => v === 1) && g.chance(0.7) ? undefined : list);
  return {
    attributes: {
      strides: said(strides),
      ...(dilated ? { dilations: said(dilations) } : {}),
      ...(auto === "" ? (g.chance(0.1) ? { auto_pad: "NOTSET" } : {}) : { auto_pad: auto }),
      ...(pads ? { pads } : {}),
      ...(ceil ? { ceil_mode: 1 } : {}),
    },
    space: out,
  };
}

const conv: Emit = (g, x) => {
  const [n, channels, ...space] = x.shape;
  const group = channels % 2 === 0 && g.chance(0.3) ? 2 : g.chance(0.2) ? channels : 1;
  const outs = group * g.integer(1, 2);
  const kernel = space.map((d) => g.integer(1, Math.min(3, d + 1)));
  const w = window(g, space, kernel, { dilations: true, ceil: false, same: true });
  if (!w) return null;
  const weight = g.weights([outs, channels / group, ...kernel]);
  const bias = g.chance(0.5) ? g.weights([outs]) : null;
  const attributes = {
    ...w.attributes,
    group: group === 1 && g.chance(0.7) ? undefined : group,
    kernel_shape: g.chance(0.5) ? kernel : undefined,
  };
  return g.add("Conv", [x, weight, bias], attributes, [n, outs, ...w.space]);
};

const convTranspose: Emit = (g, x) => {
  const [n, channels, ...space] = x.shape;
  const group = channels % 2 === 0 && g.chance(0.3) ? 2 : 1;
  const outs = group * g.integer(1, 2);
  const kernel = space.map(() => g.integer(1, 3));
  const strides = space.map(() => g.pick([1, 1, 2, 3]));
  const dilations = space.map(() => (g.chance(0.2) ? 2 : 1));
  const extent = kernel.map((k, i) => dilations[i] * (k - 1) + 1);
  const auto = g.pick(["", "", "", "VALID", "SAME_UPPER", "SAME_LOWER"]);
  const padding = space.map((_, i) =>
    auto === "" && g.chance(0.2) ? g.integer(0, Math.max(strides[i], dilations[i]) - 1) : 0,
  );
  const full = space.map((d, i) => (d - 1) * strides[i] + extent[i] + padding[i]);
  const pads =
    auto === "" && g.chance(0.4)
      ? [...space, ...space].map((_, i) => g.integer(0, Math.floor((extent[i % space.length] - 1) / 2)))
      : null;
  const asked = auto === "" && !pads && g.chance(0.2) ? full.map((d) => Math.max(1, d - g.integer(0, 1))) : null;
  const out = space.map((d, i) => {
    if (asked) return asked[i];
    if (auto.startsWith("SAME")) return d * strides[i];
    return full[i] - (pads ? pads[i] + pads[i + space.length] : 0);
  });
  if (out.some((d) => d < 1)) return null;
  const attributes = {
    strides,
    dilations,
    group,
    auto_pad: auto === "" ? undefined : auto,
    pads: pads ?? undefined,
    output_shape: asked ?? undefined,
    output_padding: padding.some((p) => p > 0) ? padding : undefined,
  };
  const bias = g.chance(0.4) ? g.weights([outs]) : null;
  return g.add("ConvTranspose", [x, g.weights([channels, outs / group, ...kernel]), bias], attributes, [
    n,
    outs,
    ...out,
  ]);
};

const float = ["float"] as const;

export const linear: Readonly<Record<string, Drawn>> = {
  MatMul: { kinds: float, ranks: [2, 5], emit: matmul },
  Gemm: { kinds: float, ranks: [2, 2], emit: gemm },
  FusedMatMul: { kinds: float, ranks: [2, 3], emit: fused },
  Inverse: { kinds: float, ranks: [2, 4], emit: inverse },
  Conv: { kinds: float, ranks: [3, 5], emit: conv },
  ConvTranspose: { kinds: float, ranks: [3, 5], emit: convTranspose },
};
