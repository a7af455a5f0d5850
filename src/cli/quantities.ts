/** @file What the numbers of inputs and outputs stand for, as a user says it: a CSV with a line for each, names, scales. */
import type { Quantity } from "../bounds/gain/units.ts";
import { csvTable } from "../data/csv.ts";
import { ReadError } from "../tensor/errors.ts";
import { CliError } from "./errors.ts";
import { readBytes } from "./files.ts";
import { parseList, parseNumber } from "./options.ts";

/** A quantity and, for an input, where it lies. */
export interface Described extends Quantity {
  readonly low?: number;
  readonly high?: number;
}

export interface SideWords {
  readonly units: string | undefined;
  readonly names: string | undefined;
  readonly scale: string | undefined;
}

/** The quantities of one side of a network. Names and scales of options come before those of the file. */
export async function quantitiesOf(
  side: "inputs" | "outputs",
  { units, names, scale }: SideWords,
  count: number,
): Promise<readonly Described[]> {
  const columns = side === "inputs" ? inputColumns : outputColumns;
  const option = side === "inputs" ? "--units" : "--output-units";
  const file: readonly Described[] = units === undefined ? [] : await quantitiesIn(units, columns);
  if (units !== undefined && file.length !== count) {
    throw new CliError(
      `${option}: the network has ${count} ${side}, ${units} has ${file.length} lines under its header`,
    );
  }
  const said = names === undefined ? undefined : parseList(`--${side}`, names, (_, word) => word.trim());
  if (said && (said.length !== count || said.includes(""))) {
    throw new CliError(`--${side}: must be ${count} names by commas, got "${names}"`);
  }
  const about = side === "inputs" ? "--input-scale" : "--output-scale";
  const scales = scale === undefined ? undefined : parseList(about, scale, (o, w) => parseNumber(o, w, { above: 0 }));
  if (scales && scales.length !== 1 && scales.length !== count) {
    throw new CliError(`${about}: must be one number, or ${count} by commas, got "${scale}"`);
  }
  return Array.from({ length: count }, (_, i) => ({
    ...file[i],
    ...(said && { name: said[i] }),
    ...(scales && { scale: scales[scales.length === 1 ? 0 : i] }),
  }));
}

// --- internal ---

type Column = keyof Described;

const outputColumns: readonly Column[] = ["name", "unit", "mean", "std", "scale"];
const inputColumns: readonly Column[] = [...outputColumns, "low", "high"];

async function quantitiesIn(path: string, known: readonly Column[]): Promise<readonly Described[]> {
  const { table } = csvTable(path, await readBytes(path));
  const { columns } = table;
  if (!columns) throw new ReadError(`${path}: must begin with a line of names out of ${known.join(", ")}`);
  columns.forEach((name, i) => {
    if (!known.some((own) => own === name)) {
      throw new ReadError(`${path}: unknown column "${name}"; known: ${known.join(", ")}`);
    }
    if (columns.indexOf(name) < i) throw new ReadError(`${path}: the column "${name}" stands there twice`);
  });
  return table.rows.map((row, r) => {
    const described: Record<string, string | number> = {};
    columns.forEach((name, c) => {
      const cell = row[c];
      // What is left empty is not told.
      if (cell === "") return;
      if (name === "name" || name === "unit") described[name] = String(cell);
      else if (typeof cell === "number" && Number.isFinite(cell)) described[name] = cell;
      else throw new ReadError(`${path}: ${table.at(r)}: ${name} must be a number, got "${cell}"`);
    });
    return described;
  });
}
