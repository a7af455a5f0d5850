/** @file Certified radii of the open samples, and what attacks find of the first of them: two sides of one truth. And one sample under noise. */
import { attack, certify, type Dataset, logitsOf, type Network, random, subset, take } from "lipschitz";
import { type Desk, dataOf, modelOf } from "../desk.ts";
import type { JobOf } from "../worker.ts";

export const certifyJob: JobOf<"certify"> = async (desk, { norm, radii, samples, attacked }, { signal, say }) => {
  const { network } = modelOf(desk);
  const whole = dataOf(desk);
  const data = take(whole, Math.min(samples, whole.count));
  const { engine } = desk;
  const certification = await certify(network, {
    engine,
    data,
    norm,
    radii,
    signal,
    onProgress: (part) => say(part / 2),
  });
  const first = take(data, Math.min(attacked, data.count));
  const found =
    norm === "1"
      ? null
      : await attack(network, {
          engine,
          data: first,
          norm: norm === "2" ? 2 : "inf",
          radii,
          clip: "none",
          attacks: ["fgsm", "pgd", "deepfool"],
          signal,
          onProgress: (part) => say(0.5 + part / 2),
        });
  const size = data.x.length / data.count;
  desk.examples = found?.examples;
  const weakest = (found?.samples ?? [])
    .flatMap((s) =>
      s.distance !== null && s.becomes !== null && s.predicted === s.label
        ? [{ ...s, distance: s.distance, becomes: s.becomes }]
        : [],
    )
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 8)
    .map(({ index, label, becomes, distance }) => {
      const x = Array.from(first.x.subarray(index * size, (index + 1) * size));
      const moved = found?.examples.subarray(index * size, (index + 1) * size) ?? new Float32Array(size);
      return {
        index,
        label,
        becomes,
        distance,
        radius: certification.samples[index].radius,
        x,
        perturbation: x.map((v, i) => moved[i] - v),
      };
    });
  return {
    certification,
    attacked: found?.samples ?? [],
    left: found?.robust ?? [],
    weakest,
    shape: [...data.shape],
    range: data.range ? [...data.range] : null,
  };
};

/** A sample moved by a vector of the given l2 length, in a direction drawn at random or in that of the smallest change that attacks found. */
export const perturbJob: JobOf<"perturb"> = async (desk, { index, distance, towards, seed }) => {
  const { network } = modelOf(desk);
  const data = dataOf(desk);
  const one = subset(data, [index]);
  const direction = towards === "noise" ? noise(one.x.length, seed) : attackOf(desk, index, one.x);
  const length = Math.hypot(...direction);
  if (length === 0) throw new Error(`no attack changed the decision of sample ${index}`);
  const moved = one.x.map((v, i) => v + (distance * direction[i]) / length);
  return {
    before: await outputsAt(network, one),
    after: await outputsAt(network, { ...one, x: moved }),
    x: [...one.x],
    moved: [...moved],
  };

  async function outputsAt(of: Network, at: Dataset): Promise<number[]> {
    return [...(await logitsOf(of, desk.engine, at)).data];
  }
};

// --- internal ---

function noise(size: number, seed: number): Float32Array {
  const source = random(seed);
  return Float32Array.from({ length: size }, () => source.normal());
}

function attackOf({ examples }: Desk, index: number, x: Float32Array): Float32Array {
  const moved = examples?.subarray(index * x.length, (index + 1) * x.length);
  if (!moved || moved.length < x.length) {
    throw new Error(`sample ${index} was not attacked: certify and attack first, which takes the first samples`);
  }
  return moved.map((v, i) => v - x[i]);
}
