/**
 * @file Geometric transformations of images, each a map of the points at which the image is read. The maps are written once, over any arithmetic: numbers, graphs,
 * and the intervals from which `certify` proves.
 */
import { UsageError } from "../tensor/errors.ts";
import { type Shape, showShape } from "../tensor/shape.ts";

export const transformNames = ["rotation", "translation", "scaling", "similarity", "affine", "projective"] as const;

export type TransformName = (typeof transformNames)[number];

/** One number that a transformation is made of; 0 changes nothing. */
export interface Parameter {
  readonly name: string;
  readonly unit: "degrees" | "px" | "";
  /** The largest absolute value that is looked at. */
  readonly limit: number;
}

/** Some transformations, the first applied first, and the numbers of all of them in a row. */
export interface Transforms {
  readonly names: readonly TransformName[];
  readonly parameters: readonly Parameter[];
}

/** What matrices are computed with. */
export interface Arithmetic<T> {
  of(value: number): T;
  add(a: T, b: T): T;
  sub(a: T, b: T): T;
  mul(a: T, b: T): T;
  div(a: T, b: T): T;
  /** Sine and cosine of an angle in degrees. */
  sin(degrees: T): T;
  cos(degrees: T): T;
}

/** 3 x 3, row by row, on (column, row, 1) from the middle of the image. */
export type Matrix3<T> = readonly T[];

/** Numbers as they are. */
export const numbers: Arithmetic<number> = {
  of: (value) => value,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  sin: (degrees) => Math.sin((degrees * Math.PI) / 180),
  cos: (degrees) => Math.cos((degrees * Math.PI) / 180),
};

/** Limits by the name of a parameter (`rotation`, `dx`), or of a transformation whose parameters have one unit (`translation`). */
export type Limits = Readonly<Record<string, number>>;

/**
 * The transformations of some names, with their limits.
 *
 * | name | parameters, and their limits by default |
 * |---|---|
 * | rotation | `rotation` 30 degrees, counter-clockwise |
 * | translation | `dx` 3 px to the right, `dy` 3 px down |
 * | scaling | `scaling` 0.2: the image is 1 + scaling times as large |
 * | similarity | scaling, then rotation, then translation |
 * | affine | `xx`, `xy`, `yx`, `yy` 0.2: the image is read at (I + A) u; `dx`, `dy` 3 px |
 * | projective | as affine, and `px`, `py` 0.2: divided by 1 + px x + py y, with x and y -1 and 1 at the edges of the longer side |
 *
 * Throws UsageError on an unknown name, one that occurs twice or is part of another, and limits that no parameter has.
 */
export function transformsOf(names: readonly TransformName[], limits: Limits = {}): Transforms {
  const unknown = names.find((name) => !transformNames.includes(name));
  if (names.length === 0 || unknown !== undefined) {
    throw new UsageError(`transforms: unknown "${unknown ?? ""}"; known: ${transformNames.join(", ")}`);
  }
  const parameters = names.flatMap((name) => families[name].map((parameter) => ({ ...parameter, of: name })));
  const twice = parameters.find(({ name }, i) => parameters.findIndex((p) => p.name === name) !== i);
  if (twice || (names.length > 1 && names.some((name) => name === "affine" || name === "projective"))) {
    throw new UsageError(
      `transforms: none may be part of another, got ${names.join(", ")}; similarity is scaling, rotation and translation, affine contains them, projective contains all`,
    );
  }
  const unitsOf = (own: TransformName): number => new Set(families[own].map((p) => p.unit)).size;
  const keysOf = ({ name, of }: (typeof parameters)[number]): readonly string[] =>
    unitsOf(of) === 1 ? [name, of] : [name];
  const known = new Set(parameters.flatMap(keysOf));
  for (const [key, limit] of Object.entries(limits)) {
    if (!known.has(key))
      throw new UsageError(`transforms: nothing to limit by "${key}"; known: ${[...known].join(", ")}`);
    if (!(Number.isFinite(limit) && limit > 0))
      throw new UsageError(`transforms: the limit of ${key} must be above 0, got ${limit}`);
  }
  const bounded = parameters.map((own) => {
    const key = keysOf(own).find((word) => limits[word] !== undefined);
    return { name: own.name, unit: own.unit, limit: key === undefined ? own.limit : limits[key] };
  });
  for (const { name, limit } of bounded) {
    const most = mostOf[name];
    if (most !== undefined && !(limit <= most))
      throw new UsageError(`transforms: the limit of ${name} must be at most ${most}, got ${limit}`);
  }
  return { names, parameters: bounded };
}

/**
 * The matrix of the map u -> point at which the image is read for pixel u, both (column, row) from the middle: the inverse of what the image does.
 * `reach` is half the longer side less one half, in pixels.
 */
export function samplingMatrix<T>(
  { names }: Transforms,
  values: readonly T[],
  arithmetic: Arithmetic<T>,
  reach: number,
): Matrix3<T> {
  const { of, add, sub, mul, div, sin, cos } = arithmetic;
  const [zero, one] = [of(0), of(1)];
  const turn = (angle: T): Matrix3<T> => {
    const [s, c] = [sin(angle), cos(angle)];
    // Rows go down, so that counter-clockwise on the screen is this way round.
    return [c, sub(zero, s), zero, s, c, zero, zero, zero, one];
  };
  const shift = (dx: T, dy: T): Matrix3<T> => [one, zero, sub(zero, dx), zero, one, sub(zero, dy), zero, zero, one];
  const grow = (part: T): Matrix3<T> => {
    const factor = div(one, add(one, part));
    return [factor, zero, zero, zero, factor, zero, zero, zero, one];
  };
  let at = 0;
  const next = (): T => values[at++];
  const own = names.flatMap((name): readonly Matrix3<T>[] => {
    switch (name) {
      case "rotation":
        return [turn(next())];
      case "translation":
        return [shift(next(), next())];
      case "scaling":
        return [grow(next())];
      case "similarity":
        return [grow(next()), turn(next()), shift(next(), next())];
      case "affine":
      case "projective": {
        const [xx, xy, yx, yy] = [next(), next(), next(), next()];
        const moved = shift(next(), next());
        const lean = name === "projective" ? [next(), next()].map((p) => mul(p, of(1 / reach))) : [zero, zero];
        return [[add(one, xx), xy, zero, yx, add(one, yy), zero, ...lean, one], moved];
      }
      default:
        return name satisfies never;
    }
  });
  return own.reduce((a, b) => product(a, b, arithmetic));
}

/** [channels, height, width] of samples that are images; UsageError otherwise. */
export function imageShape(who: string, shape: Shape): readonly [channels: number, height: number, width: number] {
  const [channels, height, width] = shape;
  if (shape.length !== 3 || height < 2 || width < 2) {
    const remedy = "hand in images as .npy [n, channels, height, width], IDX or a folder";
    throw new UsageError(`${who}: needs images [channels, height, width], got samples ${showShape(shape)}; ${remedy}`);
  }
  return [channels, height, width];
}

/** Half of the longer side less one half. */
export const reachOf = (height: number, width: number): number => Math.max(1, (Math.max(height, width) - 1) / 2);

/**
 * An image [channels, height, width] transformed, in float64: bilinear, zeros outside. What the certificates of ranges speak of, up to its rounding.
 */
export function transformImage(
  x: ArrayLike<number>,
  shape: readonly [number, number, number],
  transforms: Transforms,
  values: readonly number[],
): Float64Array {
  const [channels, height, width] = shape;
  const m = samplingMatrix(transforms, values, numbers, reachOf(height, width));
  const [cy, cx] = [(height - 1) / 2, (width - 1) / 2];
  const size = height * width;
  const moved = new Float64Array(channels * size);
  const pixel = (c: number, i: number, j: number): number =>
    i < 0 || j < 0 || i >= height || j >= width ? 0 : x[c * size + i * width + j];
  for (let u = 0; u < size; u++) {
    const [X, Y] = [(u % width) - cx, Math.trunc(u / width) - cy];
    const depth = m[6] * X + m[7] * Y + m[8];
    const column = (m[0] * X + m[1] * Y + m[2]) / depth + cx;
    const row = (m[3] * X + m[4] * Y + m[5]) / depth + cy;
    if (!(row > -1 && row < height && column > -1 && column < width)) continue;
    const [i, j] = [Math.floor(row), Math.floor(column)];
    const [down, right] = [row - i, column - j];
    for (let c = 0; c < channels; c++) {
      const above = pixel(c, i, j) * (1 - right) + pixel(c, i, j + 1) * right;
      const below = pixel(c, i + 1, j) * (1 - right) + pixel(c, i + 1, j + 1) * right;
      moved[c * size + u] = above * (1 - down) + below * down;
    }
  }
  return moved;
}

/** Parameters in words: "rotation 12.5 degrees, dx -1.2 px". */
export const describeTransform = ({ parameters }: Pick<Transforms, "parameters">, values: readonly number[]): string =>
  parameters
    .map(({ name, unit }, k) => `${name} ${Number(values[k].toPrecision(3))}${unit === "" ? "" : ` ${unit}`}`)
    .join(", ");

// --- internal ---

const rotation: Parameter = { name: "rotation", unit: "degrees", limit: 30 };
const shifts: readonly Parameter[] = ["dx", "dy"].map((name) => ({ name, unit: "px", limit: 3 }));
const scaling: Parameter = { name: "scaling", unit: "", limit: 0.2 };
const linear: readonly Parameter[] = ["xx", "xy", "yx", "yy"].map((name) => ({ name, unit: "", limit: 0.2 }));
const leaning: readonly Parameter[] = ["px", "py"].map((name) => ({ name, unit: "", limit: 0.2 }));

const families: Readonly<Record<TransformName, readonly Parameter[]>> = {
  rotation: [rotation],
  translation: shifts,
  scaling: [scaling],
  similarity: [scaling, rotation, ...shifts],
  affine: [...linear, ...shifts],
  projective: [...linear, ...shifts, ...leaning],
};

/** So far a map stays what it is: an image does not vanish, and nothing is seen from behind. */
const mostOf: Readonly<Record<string, number>> = { rotation: 180, scaling: 0.9, px: 0.45, py: 0.45 };

function product<T>(a: Matrix3<T>, b: Matrix3<T>, { add, mul }: Arithmetic<T>): Matrix3<T> {
  return Array.from({ length: 9 }, (_, at) => {
    const [i, j] = [3 * Math.trunc(at / 3), at % 3];
    return add(add(mul(a[i], b[j]), mul(a[i + 1], b[j + 3])), mul(a[i + 2], b[j + 6]));
  });
}
