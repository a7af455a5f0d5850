/** @file What a certificate counts, and the data that it counts them of. */
import { type Certificate, sha256 } from "./certificate.ts";
import { must } from "./refusal.ts";

/** The samples that a certificate speaks of. */
export interface VerifyData {
  /** [count, ...shape], float32. */
  readonly x: Float32Array;
  readonly labels: Int32Array;
  readonly shape: readonly number[];
}

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

/** Are these the samples and labels? */
export async function checkData(
  certificate: Certificate,
  { x, labels, shape }: VerifyData,
): Promise<readonly [null, string]> {
  const { samples, sha256: expected, shape: own } = certificate.data;
  must(shape.join() === own.join(), () => `a sample must be [${own}], got [${shape}]`);
  must(labels.length === samples, () => `there must be ${samples} samples, got ${labels.length}`);
  must(x.length === samples * own.reduce((n, d) => n * d, 1), () => "the samples do not have their size");
  must(x.every(Number.isFinite), () => "a number is not finite");
  const bytes = new Uint8Array(x.byteLength + labels.byteLength);
  bytes.set(new Uint8Array(x.buffer, x.byteOffset, x.byteLength));
  bytes.set(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength), x.byteLength);
  const hash = await sha256(bytes);
  must(hash === expected, () => `the data are others: sha256 ${hash}`);
  certificate.samples.forEach((s, i) => {
    must(s.label === labels[i], () => `sample ${i}: its label is ${labels[i]}, claimed ${s.label}`);
  });
  return [null, hash];
}
