/** @file How long a run will take, from the records of earlier ones: only the order of the estimates counts, so that the longest run begins first. */
import type { RunRecord } from "../experiment/record.ts";
import type { RunSpec } from "../experiment/spec.ts";
import type { Job } from "./job.ts";

/** Estimates from the times of earlier runs: those of the same method, model and data, else of the same model and data, else of any; of a job that is no run its size. */
export function estimator(records: readonly RunRecord[]): (job: Job) => number {
  const rates = keys.map((key) => ratesBy(records, key));
  const any = rateOf(records);
  return (job) => {
    switch (job.kind) {
      case "run": {
        const rate = keys.map((key, i) => rates[i].get(key(job.spec))).find((found) => found !== undefined) ?? any;
        return rate.epoch * job.spec.epochs + rate.rest;
      }
      case "certify":
      case "attack":
        return job.data.to - job.data.from;
      case "bound":
        return 1;
    }
  };
}

// --- internal ---

interface Rate {
  /** Seconds of an epoch, and of all that is measured. */
  readonly epoch: number;
  readonly rest: number;
}

const keys: readonly ((spec: RunSpec) => string)[] = [
  ({ data, model, method, batch, samples }) => JSON.stringify([data, model, method.name, batch, samples]),
  ({ data, model }) => JSON.stringify([data, model]),
];

function ratesBy(records: readonly RunRecord[], key: (spec: RunSpec) => string): ReadonlyMap<string, Rate> {
  const groups = new Map<string, RunRecord[]>();
  for (const record of records) groups.set(key(record.spec), [...(groups.get(key(record.spec)) ?? []), record]);
  return new Map([...groups].map(([name, group]) => [name, rateOf(group)]));
}

/** Without records an epoch counts 1. */
function rateOf(records: readonly RunRecord[]): Rate {
  if (records.length === 0) return { epoch: 1, rest: 0 };
  const mean = (of: (record: RunRecord) => number) =>
    records.reduce((sum, record) => sum + of(record), 0) / records.length;
  return {
    epoch: mean(({ seconds, spec }) => seconds.train / spec.epochs),
    rest: mean(({ seconds: { bound, certify, attack, curvature } }) => bound + certify + attack + curvature),
  };
}
