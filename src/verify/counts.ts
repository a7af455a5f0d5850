/** @file What a certificate counts. */
import type { Certificate } from "./certificate.ts";
import { must } from "./refusal.ts";

/** Count again. */
export function counts(
  { samples, data, accuracy, certified, averageRadius }: Certificate,
  outputs: number,
): readonly [null, string] {
  const n = data.samples;
  must(n > 0 && samples.length === n, () => `there must be ${n} samples, got ${samples.length}`);
  samples.forEach((s, i) => {
    must(s.index === i, () => `sample ${i} must have its place, got ${s.index}`);
    must(s.label < outputs && s.predicted < outputs, () => `sample ${i}: its classes must be below ${outputs}`);
  });
  const right = samples.filter((s) => s.predicted === s.label);
  must(accuracy === right.length / n, () => `accuracy: ${right.length / n} counted, ${accuracy} claimed`);
  for (const claim of certified) {
    const counted = right.filter((s) => s.radius >= claim.radius).length / n;
    must(
      claim.accuracy === counted,
      () => `certified at ${claim.radius}: ${counted} counted, ${claim.accuracy} claimed`,
    );
  }
  const mean = right.reduce((sum, s) => sum + s.radius, 0) / n;
  const same = averageRadius === mean || Math.abs(averageRadius - mean) <= 1e-12 * mean;
  must(same, () => `average radius: ${mean} counted, ${averageRadius} claimed`);
  return [null, `accuracy ${accuracy}, ${certified.length} radii, average radius`];
}
