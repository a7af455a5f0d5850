/** @file What a comparison found, made short enough to keep and to show in the README: mean and spread of every measure, by method. */
import {
  attackedAt,
  bestBy,
  certifiedAt,
  type Measure,
  measures,
  type Row,
  type Spread,
  spreadOf,
} from "../src/experiment/comparison.ts";
import { checkRecords, type RunRecord } from "../src/experiment/record.ts";

export interface Results {
  readonly data: string;
  readonly seeds: number;
  readonly samples: number;
  readonly machine: string;
  readonly columns: readonly string[];
  /** Names of methods whose mean is best, by column. */
  readonly best: readonly (readonly string[])[];
  readonly rows: readonly { readonly method: string; readonly cells: readonly (Spread | null)[] }[];
}

const begin = "<!-- results: scripts/results.ts writes what stands here -->\n";
const end = "<!-- end of results -->";

/** The results of the record that `lipschitz compare` wrote. */
export function resultsOf(record: unknown): Results {
  const records = checkRecords(record);
  const rows = rowsOf(records);
  const [first] = records;
  const columns = columnsOf(first);
  return {
    data: first.data.name,
    seeds: rows[0].records.length,
    samples: first.data.samples.test,
    machine: first.machine ? `${first.machine.cores} cores, ${first.machine.cpu}, ${first.engine}` : first.engine,
    columns: Object.keys(columns),
    best: Object.values(columns).map(({ measure }) => bestBy(rows, measure)),
    rows: rows.map((row) => ({
      method: row.label,
      cells: Object.values(columns).map(({ measure, per = 1 }) => {
        const spread = spreadOf(row, measure);
        const scale = per === "plain" ? 1 / plainSeconds(rows) : per;
        return spread && { mean: scale * spread.mean, half: scale * spread.half };
      }),
    })),
  };
}

/** A README in which these results stand. */
export function withResults(readme: string, results: Results): string {
  const [from, to] = [readme.indexOf(begin), readme.indexOf(end)];
  if (from < 0 || to < from) throw new Error("README.md: the marks between which results stand are missing");
  return readme.slice(0, from + begin.length) + tableOf(results) + readme.slice(to);
}

// --- internal ---

interface Column {
  readonly measure: Measure;
  /** A number that the measure is times, or "plain": as a multiple of the plain method's. */
  readonly per?: number | "plain";
}

function columnsOf({ spec }: RunRecord): Readonly<Record<string, Column>> {
  const certified = spec.radii.map((r, i) => [`cert. ${r}`, { measure: certifiedAt(i), per: 100 }] as const);
  const last = spec.radii.length - 1;
  return {
    accuracy: { measure: measures.accuracy, per: 100 },
    ...Object.fromEntries(certified),
    [`attacked ${spec.radii[last]}`]: { measure: attackedAt(last), per: 100 },
    lower: { measure: measures.lower },
    upper: { measure: measures.upper },
    curvature: { measure: measures.curvature },
    time: { measure: measures.seconds, per: "plain" },
  };
}

function rowsOf(records: readonly RunRecord[]): readonly Row[] {
  const labels = [...new Set(records.map((r) => r.spec.method.name))];
  return labels.map((label) => ({ label, records: records.filter((r) => r.spec.method.name === label) }));
}

function plainSeconds(rows: readonly Row[]): number {
  const plain = rows.find(({ label }) => label === "plain");
  const spread = plain && spreadOf(plain, measures.seconds);
  if (!spread) throw new Error("results: a comparison must have the plain method");
  return spread.mean;
}

function tableOf({ columns, best, rows, data, seeds, samples, machine }: Results): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  const body = rows.map(({ method, cells }) =>
    line([
      `\`${method}\``,
      ...cells.map((spread, i) => {
        if (!spread) return "-";
        const mean = shown(spread.mean, columns[i]);
        return best[i].includes(method) ? `**${mean}**` : mean;
      }),
    ]),
  );
  const head = [line(["method", ...columns]), line(["---", ...columns.map(() => "---:")])];
  const over = seeds > 1 ? `mean of ${seeds} seeds` : "one seed";
  return [...head, ...body, `\n${samples} test samples of ${data}, ${over}; ${machine}.\n`].join("");
}

/** Bounds are rounded outward, so that none says more than was found. */
function shown(value: number, column: string): string {
  if (column === "lower") return (Math.floor(100 * value) / 100).toFixed(2);
  if (column === "upper") return (Math.ceil(100 * value) / 100).toFixed(2);
  return value.toFixed(column === "curvature" ? 2 : 1);
}
