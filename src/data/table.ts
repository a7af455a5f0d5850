/** @file A table with one sample a row: which columns are features, which is the answer, and which names the sample. */
import { ReadError, UsageError } from "../tensor/errors.ts";
import { type AnswerOptions, answersOf } from "./answers.ts";
import { checkDataset, checkSamples, type Dataset, type Unlabelled } from "./dataset.ts";

export interface Table {
  /** One for each column, where the file names them. */
  readonly columns: readonly string[] | undefined;
  /** Numbers where they are numbers; text that is not, as it is. All of the same width. */
  readonly rows: readonly (readonly (number | string)[])[];
  /** Where a row stands, for an error: "line 3". */
  at(row: number): string;
}

/** Columns are said by their names or their places, from 0. */
export interface TableOptions extends AnswerOptions {
  /** The column of the label, or the columns to predict; "none" for a table without. Default: the last one. */
  readonly label?: readonly string[] | "none" | undefined;
  /** The columns of the derivatives of the answers by every feature, in their order, answer by answer: a regression then. Default: none. */
  readonly slopes?: readonly string[] | undefined;
  /** The column that names the samples. Default: one whose name says so, or the only one of text. */
  readonly id?: string | undefined;
  /** Columns to leave out. */
  readonly ignore?: readonly string[] | undefined;
}

/** Make a data set of shape `[features]`. Throws `ReadError` with the place of the first fault, `UsageError` for a column that is not there. */
export function datasetFromTable(who: string, table: Table, options: TableOptions = {}): Dataset | Unlabelled {
  const { rows, at } = table;
  const width = rows[0].length;
  const place = (option: string, word: string) => placeOf(who, table, option, word);
  const unlabelled = options.label === "none";
  const ignored = (options.ignore ?? []).map((word) => place("ignore", word));
  const rates = (options.slopes ?? []).map((word) => place("slopes", word));
  const left = Array.from({ length: width }, (_, i) => i).filter((i) => !ignored.includes(i) && !rates.includes(i));
  const answers =
    options.label === undefined || options.label === "none"
      ? left.slice(unlabelled ? left.length : -1)
      : options.label.map((word) => place("label", word));
  const open = left.filter((i) => !answers.includes(i));
  const id = options.id === undefined ? guessId(table, open) : place("id", options.id);
  const features = open.filter((i) => i !== id);
  if (features.length === 0) {
    const what = unlabelled ? "features" : "features and a label";
    throw new ReadError(`${who}: ${at(0)} must have ${what}, got ${width} column${width === 1 ? "" : "s"}`);
  }
  const numbers = (columns: readonly number[]) =>
    Float32Array.from({ length: rows.length * columns.length }, (_, i) => {
      const [r, column] = [Math.floor(i / columns.length), columns[i % columns.length]];
      return numberIn(who, table, r, column, rows[r][column]);
    });
  if (rates.length > 0) checkSlopes(who, rates.length, answers.length, features.length);
  const x = numbers(features);
  const notes = id !== undefined && options.id === undefined ? [`Samples are named by ${nameOf(table, id)}.`] : [];
  const base = {
    name: who,
    x,
    shape: [features.length],
    count: rows.length,
    ids: rows.map((row, r) => (id === undefined ? `row ${r}` : String(row[id]))),
    ...(notes.length > 0 && { notes }),
  };
  if (answers.length === 0) return checkSamples({ ...base, task: "none" });
  const cells = rows.flatMap((row) => answers.map((column) => row[column]));
  const stored = cells.some((c) => typeof c === "string")
    ? "text"
    : cells.every((c) => Number.isInteger(c))
      ? "whole"
      : "float";
  // An empty cell or a "nan" among numbers is damage, not a class.
  if (stored === "text") refuseHoles(who, table, answers);
  if (rates.length > 0 && options.task === "classification")
    throw new UsageError(`${who}: slopes are of numbers to predict, and the task is a classification; leave one out`);
  const task = rates.length > 0 ? { task: "regression" as const } : {};
  const found = answersOf(who, { values: cells, width: answers.length, stored, at }, { ...options, ...task });
  return checkDataset({ ...base, ...found, ...(rates.length > 0 && { slopes: numbers(rates) }) });
}

// --- internal ---

/** Names that pandas, scikit-learn and people give to what is no feature. */
const ID_NAME = /^(|id|index|name|file|filename|file_name|path|.*_id|__index_level_0__|unnamed: 0)$/i;

/** A column whose name says that it names samples, or the only one of text, if no two samples share its value. */
function guessId({ columns, rows }: Table, open: readonly number[]): number | undefined {
  const distinct = (column: number) => new Set(rows.map((row) => row[column])).size === rows.length;
  const named = open.filter((i) => columns !== undefined && ID_NAME.test(columns[i].trim()) && distinct(i));
  if (named.length > 0) return named[0];
  const words = open.filter((i) => rows.every((row) => typeof row[i] === "string" && !isHole(row[i])));
  return words.length === 1 && distinct(words[0]) ? words[0] : undefined;
}

function placeOf(who: string, { columns, rows }: Table, option: string, word: string): number {
  const named = columns?.findIndex((name) => name.trim() === word.trim()) ?? -1;
  if (named >= 0) return named;
  const place = /^\d+$/.test(word.trim()) ? Number(word) : -1;
  if (place >= 0 && place < rows[0].length) return place;
  const known = columns ? `${columns.join(", ")}, or 0..${columns.length - 1}` : `0..${rows[0].length - 1}`;
  throw new UsageError(`${who}: ${option} must be a column (${known}), got "${word}"`);
}

const nameOf = ({ columns }: Table, column: number): string =>
  columns?.[column] ? `column "${columns[column]}"` : `column ${column}`;

function numberIn(who: string, table: Table, row: number, column: number, cell: number | string): number {
  if (typeof cell === "number" && Number.isFinite(cell)) return cell;
  const got = `"${String(cell).slice(0, 40)}"`;
  const isText = typeof cell === "string" && !isHole(cell);
  const remedy = isText ? ` in ${nameOf(table, column)}; where it is no feature, say so by id, label or ignore` : "";
  throw new ReadError(`${who}: ${table.at(row)} must hold finite numbers, got ${got}${remedy}`);
}

function checkSlopes(who: string, columns: number, answers: number, features: number): void {
  if (columns === answers * features) return;
  const want = `${answers * features} columns, one for each of ${features} features and ${answers} answers`;
  throw new UsageError(`${who}: slopes must be ${want}, got ${columns}; say with label what is predicted`);
}

/** What stands for no value. */
const isHole = (cell: number | string): boolean =>
  typeof cell === "string" && /^\s*([+-]?(nan|inf(inity)?)|na|n\/a|null|none)?\s*$/i.test(cell);

function refuseHoles(who: string, { rows, at }: Table, answers: readonly number[]): void {
  rows.forEach((row, r) => {
    const hole = answers.find((column) => isHole(row[column]));
    if (hole !== undefined) throw new ReadError(`${who}: ${at(r)} must have an answer, got "${row[hole]}"`);
  });
}
