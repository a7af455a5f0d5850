/** @file Tables for a terminal. Every cell is printable, wherever its words came from. */
import Table from "cli-table3";
import { printable } from "../tensor/printable.ts";

export interface TextTable {
  push(...rows: readonly (readonly string[])[]): void;
  toString(): string;
}

/** A plain table: colours are the terminal's business, and none are used where output is piped. */
export function textTable(
  head: readonly string[],
  { style = { compact: true }, ...options }: Omit<Table.TableConstructorOptions, "head"> = {},
): TextTable {
  const table = new Table({ ...options, head: head.map(printable), style: { ...style, head: [], border: [] } });
  return {
    push: (...rows) => void table.push(...rows.map((row) => row.map(printable))),
    toString: () => table.toString(),
  };
}
