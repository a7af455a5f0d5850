/** @file NumPy's .npz: a zip of .npy files, whose names say what is samples and what is labels. */
import { unzipSync } from "fflate";
import { ReadError } from "../tensor/errors.ts";
import { type ArrayOptions, datasetFromArrays, type StoredArray, type StoredText, toNumbers } from "./arrays.ts";
import type { Dataset, Split, Unlabelled } from "./dataset.ts";
import { parseNpyAny } from "./npy.ts";

/**
 * Make a data set of the arrays of a .npz file: two parts where it holds both (`x_train`, `y_train`, `x_test`, `y_test`), otherwise one.
 * Throws `ReadError` where it is damaged or no array is called as samples are.
 */
export function parseNpz(who: string, bytes: Uint8Array, options: ArrayOptions = {}): Dataset | Unlabelled | Split {
  const arrays = arraysIn(who, bytes);
  const find = (names: readonly string[], part?: string) => {
    const forms = names.flatMap((n) => (part === undefined ? [n] : [`${n}_${part}`, `${part}_${n}`]));
    return forms.map((form) => arrays.get(form)).find((array) => array !== undefined);
  };
  const classNames = options.classNames ?? namesIn(PARTS.flatMap((part) => find(LABELS, part) ?? []));
  const setOf = (part?: string): Dataset | Unlabelled | undefined => {
    const x = find(SAMPLES, part);
    if (x === undefined) return undefined;
    if (x.dtype === "text") throw new ReadError(`${who}: samples must be numbers, got text`);
    const ids = find(IDS, part);
    return datasetFromArrays(who, x, find(LABELS, part), { ...(ids && { ids: wordsOf(ids) }), ...options, classNames });
  };
  const [train, test] = [setOf("train"), setOf("test")];
  if (train && test && train.task !== "none" && test.task !== "none") return { train, test: alike(train, test) };
  const one = setOf() ?? test ?? train;
  if (one !== undefined) return one;
  const rule = `one of its arrays must be called ${SAMPLES.join(", ")}, or x_train and x_test`;
  throw new ReadError(`${who}: ${rule}, got ${[...arrays.keys()].join(", ") || "none"}`);
}

// --- internal ---

const PARTS = [undefined, "train", "test"] as const;
const SAMPLES = ["x", "data", "images", "features", "samples", "inputs", "input", "arr_0"];
const LABELS = ["y", "labels", "label", "targets", "target", "arr_1"];
const IDS = ["ids", "id", "names", "files"];

/** By their names in small letters. */
function arraysIn(who: string, bytes: Uint8Array): ReadonlyMap<string, StoredArray | StoredText> {
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes, { filter: ({ name }) => name.endsWith(".npy") });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ReadError(`${who}: a .npz file must be a whole zip archive, got: ${why}`, { cause });
  }
  return new Map(
    Object.entries(files).map(([name, content]) => {
      const plain = name.replace(/\.npy$/, "");
      return [plain.toLowerCase(), parseNpyAny(`${who}: ${plain}`, content)];
    }),
  );
}

/** A part in which a class does not occur has it all the same. */
function namesIn(labels: readonly (StoredArray | StoredText)[]): readonly string[] | undefined {
  const words = labels.flatMap((y) => (y.dtype === "text" ? y.data : []));
  return words.length > 0 ? [...new Set(words)].sort() : undefined;
}

const wordsOf = (array: StoredArray | StoredText): readonly string[] =>
  array.dtype === "text" ? array.data : Array.from(toNumbers(array), String);

/** The same of classes that are numbers. */
function alike(train: Dataset, test: Dataset): Dataset {
  if (train.task !== "classification" || test.task !== "classification") return test;
  return { ...test, classes: Math.max(train.classes, test.classes) };
}
