/** @file How own data are read, as plain data: one table says of each setting what it is called, how its words read, and its rule. */
import { SpecError, UsageError } from "../tensor/errors.ts";
import type { Task } from "./dataset.ts";

/** How a file or folder becomes a data set; what does not concern its format is not looked at. */
export interface Reading {
  /** The part of the samples that is for tests, between 0 and 1. */
  readonly test?: number | undefined;
  /** Default: guessed from the answers. */
  readonly task?: Task | undefined;
  /** A file with the labels: .npy, IDX or .csv in the order of the samples, or for images .csv with a file and its label a line. */
  readonly labels?: string | undefined;
  /** The column of the label, or those of the numbers to predict, by name or place from 0; "none" for a table without. Default: the last one. */
  readonly label?: readonly string[] | "none" | undefined;
  /** The columns of the derivatives of what is predicted by every feature, in the order of the features, output by output. */
  readonly slopes?: readonly string[] | undefined;
  /** The column that names the samples. */
  readonly id?: string | undefined;
  /** Columns to leave out. */
  readonly ignore?: readonly string[] | undefined;
  /** Names of the classes in the order of the network's outputs. */
  readonly classNames?: readonly string[] | undefined;
  /** What images become. Default: as they are. */
  readonly color?: "grey" | "rgb" | undefined;
  /** [height, width], or a number for the shorter side. */
  readonly resize?: number | readonly [number, number] | undefined;
  /** [height, width] of the middle, after resizing. */
  readonly crop?: readonly [number, number] | undefined;
}

/** Options of the command line. */
export type ReadingOption =
  | "split"
  | "task"
  | "labels"
  | "label"
  | "slopes"
  | "id"
  | "ignore"
  | "classes"
  | "color"
  | "resize"
  | "crop";

export interface ReadingField<K extends keyof Reading = keyof Reading> {
  readonly key: K;
  readonly option: ReadingOption;
  readonly description: string;
  readonly hint: string;
  /** JSON Schema of the value. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** The value that words mean; UsageError otherwise. */
  parse(word: string): NonNullable<Reading[K]>;
  /** The words of a value. */
  print(value: NonNullable<Reading[K]>): string;
  fits(value: unknown): boolean;
}

const isList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && value.every((v) => typeof v === "string");
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 1;
const isPair = (value: unknown): boolean => Array.isArray(value) && value.length === 2 && value.every(isWhole);
const listSchema = { type: "array", items: { type: "string" }, minItems: 1 };
const pairSchema = { type: "array", items: { type: "integer", minimum: 1 }, minItems: 2, maxItems: 2 };
const listOf = (word: string): readonly string[] => word.split(",").map((part) => part.trim());

const field = <K extends keyof Reading>(entry: ReadingField<K>): ReadingField => entry as unknown as ReadingField;

export const readingFields: readonly ReadingField[] = [
  field({
    key: "test",
    option: "split",
    description:
      "Test on a part of a file or folder, drawn by the seed. Default: all of it is tested on, and a fifth of it in training",
    hint: "test=0.2",
    schema: { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 },
    parse: (word) => part(word),
    print: (value) => `test=${value}`,
    fits: (v) => typeof v === "number" && v > 0 && v < 1,
  }),
  field({
    key: "task",
    option: "task",
    description: "classification | regression. Default: guessed from the labels",
    hint: "TASK",
    schema: { enum: ["classification", "regression"] },
    parse: (word) => oneOf("--task", word, ["classification", "regression"]),
    print: String,
    fits: (v) => v === "classification" || v === "regression",
  }),
  field({
    key: "labels",
    option: "labels",
    description: "A file with the labels (.npy, IDX, .csv); for images .csv with a file and its label a line",
    hint: "FILE",
    schema: { type: "string" },
    parse: (word) => word,
    print: String,
    fits: (v) => typeof v === "string",
  }),
  field({
    key: "label",
    option: "label",
    description: "Column of the label, or of the numbers to predict by commas, or none. Default: the last one",
    hint: "NAME",
    schema: { anyOf: [{ const: "none" }, listSchema] },
    parse: (word) => (word === "none" ? word : listOf(word)),
    print: (value) => (typeof value === "string" ? value : value.join(",")),
    fits: (v) => v === "none" || isList(v),
  }),
  field({
    key: "slopes",
    option: "slopes",
    description: "Columns of the derivatives of what is predicted by every feature, by commas, output by output",
    hint: "NAMES",
    schema: listSchema,
    parse: listOf,
    print: (value) => value.join(","),
    fits: isList,
  }),
  field({
    key: "id",
    option: "id",
    description: "Column that names the samples",
    hint: "NAME",
    schema: { type: "string" },
    parse: (word) => word,
    print: String,
    fits: (v) => typeof v === "string",
  }),
  field({
    key: "ignore",
    option: "ignore",
    description: "Columns to leave out, by commas",
    hint: "NAMES",
    schema: listSchema,
    parse: listOf,
    print: (value) => value.join(","),
    fits: isList,
  }),
  field({
    key: "classNames",
    option: "classes",
    description: "Names of the classes in the order of the outputs: a file with one a line, or by commas",
    hint: "FILE",
    schema: listSchema,
    parse: listOf,
    print: (value) => value.join(","),
    fits: isList,
  }),
  field({
    key: "color",
    option: "color",
    description: "grey | rgb: what images become. Default: as the files are",
    hint: "COLOR",
    schema: { enum: ["grey", "rgb"] },
    parse: (word) => oneOf("--color", word, ["grey", "rgb"]),
    print: String,
    fits: (v) => v === "grey" || v === "rgb",
  }),
  field({
    key: "resize",
    option: "resize",
    description: "Resize images to height x width, or their shorter side to a number",
    hint: "HxW",
    schema: { anyOf: [{ type: "integer", minimum: 1 }, pairSchema] },
    parse: (word) => (/^\d+$/.test(word) && isWhole(Number(word)) ? Number(word) : pair("--resize", word)),
    print: (value) => (typeof value === "number" ? String(value) : value.join("x")),
    fits: (v) => isWhole(v) || isPair(v),
  }),
  field({
    key: "crop",
    option: "crop",
    description: "Take the middle of images, height x width, after resizing",
    hint: "HxW",
    schema: pairSchema,
    parse: (word) => pair("--crop", word),
    print: (value) => value.join("x"),
    fits: isPair,
  }),
];

/** JSON Schema of a `Reading`. */
export const readingSchema = {
  type: "object",
  description: "How a file or folder is read, where it does not say so itself",
  properties: Object.fromEntries(readingFields.map(({ key, schema }) => [key, schema])),
  additionalProperties: false,
};

/** A reading from the words of options, by the names of the options. Throws UsageError. */
export function parseReading(words: Readonly<Record<string, string | undefined>>): Reading {
  const given = readingFields.flatMap(({ key, option, parse }) => {
    const word = words[option];
    return word === undefined ? [] : [[key, parse(word)] as const];
  });
  return Object.fromEntries(given) as Reading;
}

/** The words of a reading, by the names of the options: what `parseReading` reads. */
export function readingWords(reading: Reading): Readonly<Record<string, string>> {
  const said = readingFields.flatMap(({ key, option, print }) => {
    const value = reading[key];
    return value === undefined ? [] : [[option, print(value)] as const];
  });
  return Object.fromEntries(said);
}

/** Check a value that came from outside; throws SpecError with its path. */
export function checkReading(path: string, value: unknown): Reading {
  const is = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!is) throw new SpecError(`${path}: must be an object, got ${JSON.stringify(value)}`);
  for (const [key, own] of Object.entries(value)) {
    const known = readingFields.find((f) => f.key === key);
    const names = readingFields.map((f) => f.key).join(", ");
    if (!known) throw new SpecError(`${path}.${key}: must be left out (known: ${names}), got ${JSON.stringify(own)}`);
    if (!known.fits(own)) throw new SpecError(`${path}.${key}: is not as it may be, got ${JSON.stringify(own)}`);
  }
  return value;
}

// --- internal ---

function part(word: string): number {
  const value = /^test=(.+)$/.exec(word.trim())?.[1] ?? "";
  const number = value === "" ? Number.NaN : Number(value);
  if (number > 0 && number < 1) return number;
  throw new UsageError(`--split: must be test=PART with a part between 0 and 1, got "${word}"`);
}

function oneOf<const T extends string>(option: string, word: string, known: readonly T[]): T {
  const found = known.find((k) => k === word);
  if (found !== undefined) return found;
  throw new UsageError(`${option}: must be ${known.join(" or ")}, got "${word}"`);
}

function pair(option: string, word: string): readonly [number, number] {
  const [, height, width] = /^(\d+)x(\d+)$/.exec(word.trim()) ?? [];
  const [h, w] = [Number(height), Number(width)];
  if (h >= 1 && w >= 1) return [h, w];
  throw new UsageError(`${option}: must be HEIGHTxWIDTH, got "${word}"`);
}
