/** @file What samples are answered with: classes, or numbers to predict. Which of the two is guessed where the values leave no doubt, and asked where they do. */
import { ReadError, UsageError } from "../tensor/errors.ts";
import type { Dataset, Task } from "./dataset.ts";

export interface AnswerOptions {
  /** Default: guessed: text is classes, fractions are numbers to predict, whole numbers are classes where they are few. */
  readonly task?: Task | undefined;
  /** Names of the classes, in the order of the network's outputs; labels may be these names or their places, from 0. */
  readonly classNames?: readonly string[] | undefined;
  /** How many classes there are. Default: the largest label + 1. */
  readonly classes?: number | undefined;
}

/** Answers as a file holds them. */
export interface RawAnswers {
  /** `[count, width]`. */
  readonly values: ArrayLike<number | string>;
  readonly width: number;
  /** Fractions are float, whatever their values, where the file says so. */
  readonly stored: "whole" | "float" | "text";
  /** Where the answer of a sample stands, for an error: "line 3", "sample 2". */
  at(sample: number): string;
}

export type Answers = Pick<Dataset, "task" | "labels" | "targets" | "classes" | "classNames">;

/** Labels above this are taken for a mistake: a one-hot vector of them would not fit in memory. */
const MOST_CLASSES = 65_536;

/** Answers as a data set has them. Throws `ReadError` for what is neither, and `UsageError` where the task has to be told. */
export function answersOf(who: string, raw: RawAnswers, options: AnswerOptions = {}): Answers {
  const { values, width, stored } = raw;
  const task = options.task ?? guessTask(who, raw, options);
  if (task === "regression") {
    if (stored === "text") {
      const at = Array.from(values).findIndex((v) => typeof v === "string");
      throw new ReadError(`${who}: a number to predict must be a number, got "${values[at]}" in ${raw.at(at)}`);
    }
    const targets = Float32Array.from(values as ArrayLike<number>);
    return { task, labels: new Int32Array(0), targets, classes: width };
  }
  if (width !== 1) throw new ReadError(`${who}: labels must be one a sample, got ${width}`);
  return { task, targets: new Float32Array(0), ...classesOf(who, raw, options) };
}

// --- internal ---

/** With this many different whole numbers, and fewer samples of each on average, nobody can tell whether they are classes. */
const MANY = 10;
const FEW_EACH = 5;

function guessTask(who: string, { values, width, stored }: RawAnswers, { classNames, classes }: AnswerOptions): Task {
  if (classNames !== undefined || classes !== undefined || stored === "text") return "classification";
  if (stored === "float" || width > 1) return "regression";
  const different = new Set(Array.from(values)).size;
  if (different <= MANY || values.length >= FEW_EACH * different) return "classification";
  const got = `${different} different whole numbers for ${values.length} samples`;
  throw new UsageError(`${who}: ${got}: say task classification, or task regression where they are to be predicted`);
}

function classesOf(
  who: string,
  { values, stored, at }: RawAnswers,
  { classNames, classes }: AnswerOptions,
): Pick<Dataset, "labels" | "classes" | "classNames"> {
  const words = Array.from(values, String);
  const named = classNames !== undefined && words.every((word) => classNames.includes(word));
  if (stored === "text" || named) {
    const names = classNames ?? [...new Set(words)].sort();
    const place = new Map(names.map((name, i) => [name, i]));
    const labels = Int32Array.from(words, (word, i) => {
      const label = place.get(word);
      if (label !== undefined) return label;
      throw new ReadError(`${who}: labels must be among ${listed(names)}, got "${word}" in ${at(i)}`);
    });
    return { labels, classes: names.length, classNames: names };
  }
  const labels = new Int32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]);
    if (!Number.isInteger(value) || value < 0 || value >= MOST_CLASSES) {
      const rule = `labels must be whole numbers 0..${MOST_CLASSES - 1}`;
      const remedy = "name the classes, or say task regression where it is to be predicted";
      throw new ReadError(`${who}: ${rule}, got ${value} in ${at(i)}; ${remedy}`);
    }
    labels[i] = value;
  }
  // A network that decides has two classes at least, even where all samples are of the first.
  const found = labels.reduce((most, label) => Math.max(most, label + 1), 2);
  return { labels, classes: classes ?? classNames?.length ?? found, ...(classNames && { classNames }) };
}

const listed = (names: readonly string[]): string =>
  names.length <= 10 ? names.join(", ") : `${names.slice(0, 10).join(", ")} and ${names.length - 10} more`;
