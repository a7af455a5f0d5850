/** @file Apache Parquet, with one sample a row: numbers, text, truth values, and lists of numbers, which become a column for each of theirs. */
import { ReadError } from "../tensor/errors.ts";
import type { Dataset, Unlabelled } from "./dataset.ts";
import { datasetFromTable, type TableOptions } from "./table.ts";

/** Parse a Parquet file, in any of its compressions, into a data set of shape `[features]`. Throws `ReadError`. */
export async function parseParquet(
  who: string,
  bytes: Uint8Array,
  options: TableOptions = {},
): Promise<Dataset | Unlabelled> {
  // Loaded only where a file asks for it.
  const [{ parquetMetadata, parquetRead, parquetSchema }, { compressors }] = await Promise.all([
    import("hyparquet"),
    import("hyparquet-compressors"),
  ]);
  const file = new Uint8Array(bytes).buffer;
  let names: readonly string[] = [];
  let records: readonly (readonly unknown[])[] = [];
  try {
    const metadata = parquetMetadata(file);
    names = parquetSchema(metadata).children.map(({ element }) => element.name);
    // By place: an object's keys have an order of their own where they are whole numbers.
    const onComplete = (rows: readonly (readonly unknown[])[]): void => {
      records = rows;
    };
    await parquetRead({ file, metadata, compressors, columns: [...names], rowFormat: "array", onComplete });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ReadError(`${who}: must be a whole Parquet file, got: ${why}`, { cause });
  }
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new ReadError(`${who}: columns must have names of their own, got "${twice}" twice`);
  if (records.length === 0) throw new ReadError(`${who}: a data set must hold at least one sample, got none`);
  const columns = names.flatMap((name, of): Column[] => {
    const value = records[0][of];
    return isList(value) ? Array.from(value, (_, k) => ({ name: `${name}[${k}]`, of, k })) : [{ name, of, k: null }];
  });
  const rows = records.map((record, row) =>
    columns.map(({ of, k }) => {
      const value = record[of];
      if (k === null) return cell(value);
      const length = columns.filter((column) => column.of === of).length;
      if (isList(value) && value.length === length) return cell(value[k]);
      throw new ReadError(`${who}: row ${row} must have ${length} numbers in ${names[of]}`);
    }),
  );
  const table = { columns: columns.map((c) => c.name), rows, at: (row: number) => `row ${row}` };
  return datasetFromTable(who, table, options);
}

// --- internal ---

interface Column {
  readonly name: string;
  /** Which column of the file it is, or is a part of. */
  readonly of: number;
  /** The place in a list. */
  readonly k: number | null;
}

const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

/** No value is an empty text, which no number and no answer may be. */
function cell(value: unknown): number | string {
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "bigint" || typeof value === "boolean") return Number(value);
  if (value === null || value === undefined) return "";
  return value instanceof Date ? value.toISOString() : String(value);
}
