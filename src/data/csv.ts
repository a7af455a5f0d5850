/** @file CSV: one sample a line, separated by commas, semicolons or tabs. A first line of names is understood; so is scikit-learn's first line (`150,4,setosa,versicolor,virginica`), which is checked. */
import { dsvFormat } from "d3-dsv";
import { ReadError } from "../tensor/errors.ts";
import type { Dataset, Unlabelled } from "./dataset.ts";
import { datasetFromTable, type Table, type TableOptions } from "./table.ts";

/** Parse UTF-8 CSV into a data set of shape `[features]`. Throws `ReadError` with the line of the first fault. */
export function parseCsv(who: string, bytes: Uint8Array, options: TableOptions = {}): Dataset | Unlabelled {
  const { table, counts } = csvTable(who, bytes);
  const names = counts !== undefined && counts.names.length > 1 ? counts.names : undefined;
  return datasetFromTable(who, table, { ...options, classNames: options.classNames ?? names });
}

/** The rows of a CSV file, numbers as numbers, and what scikit-learn's first line says. */
export function csvTable(who: string, bytes: Uint8Array): { readonly table: Table; readonly counts?: Counts } {
  const text = decode(who, bytes);
  const separator = separatorOf(text);
  const lines = dsvFormat(separator)
    .parseRows(text)
    .map((cells, i) => ({ cells, line: i + 1 }))
    .filter(({ cells }) => cells.length > 1 || cells[0]?.trim() !== "");
  if (lines.length === 0) throw new ReadError(`${who}: a CSV file must hold at least one line, got none`);
  const head = header(
    lines[0].cells,
    lines.slice(1).map(({ cells }) => cells),
  );
  const rows = head === undefined ? lines : lines.slice(1);
  if (rows.length === 0) throw new ReadError(`${who}: a data set must hold at least one sample, got only a header`);
  const width = rows[0].cells.length;
  checkHeader(who, head, rows.length, width);
  for (const { cells, line } of rows) {
    if (cells.length !== width) {
      throw new ReadError(`${who}: line ${line} must have ${width} columns like the first, got ${cells.length}`);
    }
  }
  const cellOf = separator === "," ? value : (cell: string) => value(cell.replace(DECIMAL_COMMA, "$1.$2"));
  const table: Table = {
    columns: head?.kind === "names" ? lines[0].cells.map((name) => name.trim()) : undefined,
    rows: rows.map(({ cells }) => cells.map(cellOf)),
    at: (row) => `line ${rows[row].line}`,
  };
  return { table, ...(head?.kind === "counts" && { counts: head }) };
}

// --- internal ---

interface Counts {
  readonly kind: "counts";
  readonly samples: number;
  readonly features: number;
  readonly names: readonly string[];
}

type Header = { readonly kind: "names"; readonly columns: number } | Counts;

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** As much of Europe writes one half, in files whose columns something else separates. */
const DECIMAL_COMMA = /^(\s*[+-]?\d*),(\d+\s*)$/;

const isNumber = (cell: string): boolean => NUMBER.test(cell.trim());

const value = (cell: string): number | string => (isNumber(cell) ? Number(cell) : cell.trim());

/** A semicolon or a tab outside quotes in the first line separates; otherwise commas do. */
function separatorOf(text: string): string {
  const first = /^.*$/m.exec(text.trimStart())?.[0] ?? "";
  const open = first.replace(/"(?:[^"]|"")*"/g, "");
  return [";", "\t"].find((mark) => open.includes(mark)) ?? ",";
}

/**
 * Only a line without a single number is a line of names: otherwise a damaged first sample would be skipped in silence. But columns that pandas numbered, 0, 1, 2, ..., are
 * names where others are words that no line after has in their place.
 */
function header(cells: readonly string[], rest: readonly (readonly string[])[]): Header | undefined {
  if (!cells.some((cell) => isWord(cell))) return undefined;
  const numbered = cells.every((cell, at) =>
    isWord(cell) ? rest.every((line) => line[at]?.trim() !== cell.trim()) : cell.trim() === String(at),
  );
  if (numbered && rest.length > 0) return { kind: "names", columns: cells.length };
  if (cells.every((cell) => isWord(cell) || cell.trim() === "")) return { kind: "names", columns: cells.length };
  const [samples, features, ...names] = cells;
  const counts = [samples, features].every((cell) => /^\d+$/.test(cell?.trim() ?? ""));
  // A sample of two whole numbers and a label has no second name.
  if (!counts || names.length < 2 || names.some((cell) => !isWord(cell))) return undefined;
  return { kind: "counts", samples: Number(samples), features: Number(features), names };
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

function decode(who: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ReadError(`${who}: a CSV file must be UTF-8 text, got other bytes`, { cause });
  }
}
