/** @file Runs side by side: those that differ only in their seed are one group, with one name and one colour. */
import type { RunRecord } from "../experiment/record.ts";
import type { SampleRecord } from "../experiment/samples.ts";
import { type SymbolName, symbolNames } from "./html.ts";
import { colorOf } from "./plot.ts";

/** A run as a report takes it: its record and, where they are known, its samples. */
export interface Reported {
  readonly record: RunRecord;
  readonly samples?: SampleRecord;
  /** Of the group that it belongs to. Default: its method and settings. */
  readonly label?: string;
}

export interface Group {
  readonly label: string;
  readonly color: string;
  readonly symbol: SymbolName;
  /** At least one. */
  readonly runs: readonly Reported[];
}

/** Group runs, in their order. */
export function groupsOf(runs: readonly Reported[]): readonly Group[] {
  const found = new Map<string, Reported[]>();
  for (const run of runs) {
    const { seed: _, ...settings } = run.record.spec;
    const key = run.label ?? JSON.stringify(settings);
    found.set(key, [...(found.get(key) ?? []), run]);
  }
  const groups = [...found.values()];
  return groups.map((own, k) => ({
    label:
      own[0].label ??
      labelOf(own[0].record, groups.filter((g) => name(g[0].record) === name(own[0].record)).length > 1, k),
    color: colorOf(k),
    symbol: symbolNames[k % symbolNames.length],
    runs: own,
  }));
}

export interface Spread {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}

/** Mean and range of a number over the seeds; null where a run has none. */
export function spreadOf(group: Group, of: (run: RunRecord) => number | null | undefined): Spread | null {
  const values = group.runs.map(({ record }) => of(record));
  const numbers = values.filter((v): v is number => typeof v === "number" && Number.isFinite(v));
  if (numbers.length < values.length) return null;
  return {
    mean: numbers.reduce((sum, v) => sum + v, 0) / numbers.length,
    min: Math.min(...numbers),
    max: Math.max(...numbers),
  };
}

// --- internal ---

const name = (record: RunRecord): string => record.spec.method.name;

/** The method; where several runs have it, its settings too, and its place where even those are the same. */
function labelOf(record: RunRecord, shared: boolean, place: number): string {
  if (!shared) return name(record);
  const { name: own, ...settings } = record.spec.method;
  const words = Object.entries(settings).map(([key, value]) => `${key} ${value}`);
  return `${own} (${words.length > 0 ? words.join(", ") : `run ${place + 1}`})`;
}
