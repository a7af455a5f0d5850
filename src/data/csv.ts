/** @file CSV: one sample a line, the last column its label. A first line of names is skipped; scikit-learn's first line (`150,4,setosa,versicolor,virginica`) is understood and checked. */
import { csvParseRows } from "d3-dsv";
import { ReadError } from "../tensor/errors.ts";
import { countClasses, toLabels } from "./arrays.ts";
import { checkDataset, type Dataset, type Task } from "./dataset.ts";

export interface CsvOptions {
  /** What the last column is: a class 0, 1, ... (the default) or a number to predict. */
  readonly task?: Task;
}

/** Parse UTF-8 CSV into a data set of shape `[columns - 1]`. Throws `ReadError` with the line of the first fault. */
export function parseCsv(who: string, bytes: Uint8Array, { task = "classification" }: CsvOptions = {}): Dataset {
  const lines = csvParseRows(decode(who, bytes))
    .map((cells, i) => ({ cells, line: i + 1 }))
    .filter(({ cells }) => cells.length > 1 || cells[0]?.trim() !== "");
  if (lines.length === 0) throw new ReadError(`${who}: a CSV file must hold at least one line, got none`);
  const head = header(lines[0].cells);
  const rows = head === undefined ? lines : lines.slice(1);
  if (rows.length === 0) throw new ReadError(`${who}: a data set must hold at least one sample, got only a header`);
  const width = rows[0].cells.length;
  if (width < 2) {
    throw new ReadError(
      `${who}: line ${rows[0].line} must have features and a label, separated by commas, got one column`,
    );
  }
  checkHeader(who, head, rows.length, width);
  const x = new Float32Array(rows.length * (width - 1));
  const last = rows.map(({ cells, line }, row) => {
    if (cells.length !== width) {
      throw new ReadError(`${who}: line ${line} must have ${width} columns like the first, got ${cells.length}`);
    }
    for (let i = 0; i < width - 1; i++) x[row * (width - 1) + i] = toNumber(who, line, cells[i]);
    return toNumber(who, line, cells[width - 1]);
  });
  const base = { name: who, x, shape: [width - 1], count: rows.length };
  if (task === "regression") {
    const targets = Float32Array.from(last);
    return checkDataset({ ...base, task, labels: new Int32Array(0), targets, classes: 1 });
  }
  const fault = last.findIndex((label) => !Number.isInteger(label) || label < 0);
  if (fault >= 0) {
    const got = `${last[fault]} in line ${rows[fault].line}`;
    throw new ReadError(
      `${who}: the last column must be a class 0, 1, ..., got ${got}; if it is a number to predict, say task regression`,
    );
  }
  const labels = toLabels(who, last);
  const classes = head?.kind === "counts" ? head.classes : countClasses(labels);
  return checkDataset({ ...base, task, labels, targets: new Float32Array(0), classes });
}

// --- internal ---

type Header =
  | { readonly kind: "names"; readonly columns: number }
  | { readonly kind: "counts"; readonly samples: number; readonly features: number; readonly classes: number };

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

const isNumber = (cell: string): boolean => NUMBER.test(cell.trim());

/** Only a line without a single number is a line of names: otherwise a damaged first sample would be skipped in silence. */
function header(cells: readonly string[]): Header | undefined {
  if (!cells.some((cell) => isWord(cell))) return undefined;
  if (cells.every((cell) => isWord(cell) || cell.trim() === "")) return { kind: "names", columns: cells.length };
  const [samples, features, ...classes] = cells;
  const counts = [samples, features].every((cell) => /^\d+$/.test(cell?.trim() ?? ""));
  if (!counts || classes.some((cell) => isNumber(cell))) return undefined;
  return { kind: "counts", samples: Number(samples), features: Number(features), classes: classes.length };
}

/** "nan" and "inf" are bad numbers, not names. */
const isWord = (cell: string): boolean =>
  /\p{L}/u.test(cell) && !isNumber(cell) && !/^\s*[+-]?(nan|inf(inity)?)\s*$/i.test(cell);

function checkHeader(who: string, head: Header | undefined, count: number, width: number): void {
  if (head?.kind === "names" && head.columns !== width) {
    throw new ReadError(`${who}: the header must name every column, got ${head.columns} names for ${width} columns`);
  }
  if (head?.kind === "counts" && (head.samples !== count || head.features !== width - 1)) {
    const promised = `${head.samples} samples of ${head.features} features`;
    throw new ReadError(`${who}: the header promises ${promised}, got ${count} of ${width - 1}; is it truncated?`);
  }
}

function toNumber(who: string, line: number, cell: string): number {
  if (!isNumber(cell)) {
    const remedy = cell.includes(";") ? "; separate columns by commas" : "";
    throw new ReadError(`${who}: line ${line} must hold finite numbers, got "${cell.slice(0, 40)}"${remedy}`);
  }
  return Number(cell);
}

function decode(who: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ReadError(`${who}: a CSV file must be UTF-8 text, got other bytes`, { cause });
  }
}
