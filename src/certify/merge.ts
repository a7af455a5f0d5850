/** @file Certifications of slices of a data set as one of the whole: each slice's radii are proved by its own numbers, so that the whole's are the weaker of them. */
import { UsageError } from "../tensor/errors.ts";
import type { Certification } from "./evaluate.ts";

/** One certification from those of slices, in the order of their samples, each counted from 0. */
export function mergeCertifications(parts: readonly Certification[]): Certification {
  const [first] = parts;
  if (!first) throw new UsageError("mergeCertifications: needs at least one part, got none");
  const strange = parts.find((p) => p.norm !== first.norm);
  if (strange)
    throw new UsageError(`mergeCertifications: parts must be in one norm, got l${first.norm} and l${strange.norm}`);
  const samples = parts.flatMap((part) => part.samples).map((sample, index) => ({ ...sample, index }));
  const right = samples.filter((s) => s.predicted === s.label);
  const constant = parts.map((part) => part.constant).reduce((a, b) => (b.value > a.value ? b : a));
  const pairs = parts.every((part) => part.constant.pairs)
    ? { pairs: largest(parts.map((part) => part.constant.pairs ?? [])) }
    : {};
  const curved = parts.flatMap((part) => part.curvature ?? []);
  const most = (of: (c: NonNullable<Certification["curvature"]>) => number) => Math.max(...curved.map(of));
  const curvature = curved[0] && {
    ...curved[0],
    value: most((c) => c.value),
    gradientError: most((c) => c.gradientError),
  };
  return {
    norm: first.norm,
    constant: {
      value: constant.value,
      method: constant.method,
      proved: parts.every((part) => part.constant.proved),
      ...pairs,
    },
    ...(curvature && { curvature }),
    ...localOf(parts),
    allowance: Math.max(...parts.map((part) => part.allowance)),
    accuracy: right.length / samples.length,
    certified: first.certified.map(({ radius }, k) => ({
      radius,
      accuracy: right.filter((s) => s.radius >= radius).length / samples.length,
      ...(parts.every((part) => part.certified[k].atMost !== undefined) && {
        atMost: right.filter((s) => !(s.refuted && s.refuted.radius <= radius)).length / samples.length,
      }),
    })),
    averageRadius: right.reduce((sum, s) => sum + s.radius, 0) / samples.length,
    samples,
  };
}

// --- internal ---

const largest = (all: readonly (readonly (readonly number[])[])[]): number[][] =>
  all[0].map((row, y) => row.map((_, j) => Math.max(...all.map((pairs) => pairs[y][j]))));

/** Samples that there was no work left for, of all parts; the reason where no part has radii of the linear walk. */
function localOf(parts: readonly Certification[]): Pick<Certification, "local"> {
  const asked = parts.flatMap(({ local }) => local ?? []);
  if (asked.length === 0) return {};
  const left = asked.flatMap((local) => ("left" in local ? local.left : []));
  return { local: left.length > 0 ? { left: left.reduce((a, b) => a + b, 0) } : asked[0] };
}
