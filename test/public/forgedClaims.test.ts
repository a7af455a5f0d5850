import { beforeAll, describe, expect, it } from "vitest";
import { type Dataset, hashDataset } from "../../src/data/dataset.ts";
import type { Certificate } from "../../src/verify/certificate.ts";
import { verify } from "../../src/verify/verify.ts";
import { claimed, type Draft, honest, type Original, recount, refused } from "../forgeries.ts";

let original: Original;

beforeAll(async () => {
  original = await honest();
});

describe("verify()", () => {
  it("accepts what was not forged", async () => {
    expect((await verify(original.text, original.bytes, { data: original.data })).holds).toBe(true);
    // There is something to forge.
    const { samples } = original.certificate;
    expect(samples.some((s) => s.predicted !== s.label && s.radius > 0)).toBe(true);
    expect(samples.some((s) => s.predicted === s.label && s.radius > 0)).toBe(true);
  });
});

const claims: Readonly<Record<string, readonly [(c: Draft<Certificate>) => void, string, RegExp]>> = {
  "a negative radius": [
    (c) => {
      c.samples[0].radius = -1;
    },
    "certificate",
    /\$\.samples\[0\]\.radius: must be/,
  ],
  "a negative constant": [
    (c) => {
      c.constant.value = -1;
    },
    "certificate",
    /\$\.constant\.value/,
  ],
  "a negative rounding": [
    (c) => {
      c.rounding.float32 = -1;
    },
    "certificate",
    /\$\.rounding\.float32/,
  ],
  "a negative multiplier": [
    (c) => {
      chain(c).activations[0].multipliers[0] = -1;
    },
    "certificate",
    /multipliers\[0\]/,
  ],
  "a negative norm": [
    (c) => {
      c.witness.affine[0].from[0].norm = -1;
    },
    "certificate",
    /norm: must be/,
  ],
  "an unproved constant": [
    (c) => void Object.assign(c.constant, { proved: false }),
    "certificate",
    /\$\.constant\.proved: must be/,
  ],
  "a field of its own": [(c) => void Object.assign(c, { note: "trust me" }), "certificate", /\$\.note: is not known/],
  "a smaller constant": [
    (c) => {
      c.constant.value /= 2;
    },
    "constant",
    /proved is .*, claimed/,
  ],
  "a constant a hair smaller": [
    (c) => {
      c.constant.value = chain(c).constant * (1 - 1e-9);
    },
    "constant",
    /proved is .*, claimed/,
  ],
  "a pair of classes that is nearer": [
    (c) => {
      pairs(c)[0][1] *= 0.99;
    },
    "pairs",
    /of 0 and 1/,
  ],
  "pairs on one side only": [
    (c) => {
      pairs(c)[1][0] = 0;
    },
    "pairs",
    /of 1 and 0/,
  ],
  "pairs of other classes": [(c) => void pairs(c).pop(), "pairs", /3 times 3/],
  "a smaller norm of a layer": [
    (c) => {
      c.witness.affine[0].from[0].norm *= 0.99;
    },
    "constant",
    /not proved to be at most/,
  ],
  "a layer left out": [(c) => void c.witness.affine.pop(), "constant", /are missing/],
  "a layer twice": [(c) => void c.witness.affine.push(c.witness.affine[0]), "constant", /no norm is due/],
  "a layer from nowhere": [
    (c) => {
      c.witness.affine[0].from[0].tensor = "zero";
    },
    "constant",
    /must be those from/,
  ],
  "a source twice": [
    (c) => void c.witness.affine[0].from.push(c.witness.affine[0].from[0]),
    "constant",
    /must be those from/,
  ],
  "multipliers of a smaller constant": [
    (c) => {
      chain(c).constant *= 0.99;
    },
    "constant",
    /do not prove a constant/,
  ],
  "multipliers of the last layer only": [(c) => void chain(c).activations.shift(), "constant", /goes around them/],
  "multipliers in another order": [(c) => void chain(c).activations.reverse(), "constant", /order|goes around/],
  "multipliers twice": [(c) => void chain(c).activations.push(chain(c).activations[0]), "constant", /there twice/],
  "multipliers of what is no activation": [
    (c) => {
      chain(c).activations[0].tensor = "output";
    },
    "constant",
    /is no activation|goes around/,
  ],
  "multipliers too many": [(c) => void chain(c).activations[0].multipliers.push(1), "constant", /must be 7 numbers/],
  "huge multipliers": [
    (c) => {
      for (const a of chain(c).activations) a.multipliers.fill(1e300);
    },
    "constant",
    /must be 7 numbers|do not prove/,
  ],
  "no multipliers at all": [
    (c) => {
      c.witness.chain = null;
    },
    "constant",
    /proved is .*, claimed/,
  ],
  "another norm: l1": [
    (c) => {
      c.norm = "1";
    },
    "constant",
    /not proved|l2 only/,
  ],
  "another norm: linf": [
    (c) => {
      c.norm = "inf";
    },
    "constant",
    /not proved|l2 only/,
  ],
  "other units": [
    (c) => {
      c.preprocessing = { scale: 0.5 };
    },
    "samples",
    /margin|class|too far/,
  ],
  "other units and a constant for them": [
    (c) => {
      c.preprocessing = { scale: 2 };
      c.constant.value *= 2;
    },
    "constant",
    /not proved|do not prove/,
  ],
  "a preprocessing by nothing": [
    (c) => {
      c.preprocessing = { std: [0] };
    },
    "model",
    /std positive/,
  ],
  "a preprocessing by next to nothing": [
    (c) => {
      c.preprocessing = { std: [1e-40] };
    },
    "model",
    /not far from 1/,
  ],
  "samples of another shape": [
    (c) => {
      c.data.shape = [1, 5, 1];
    },
    "data",
    /a sample must be/,
  ],
  "a longer radius": [
    (c) => {
      // A hair further may be true: the walk of the checker is tried at a few radii only.
      longest(c).radius *= 1.5;
      recount(c);
    },
    "samples",
    /is too far/,
  ],
  "an infinite radius": [
    (c) => {
      Object.assign(longest(c), { radius: null });
      recount(c);
      Object.assign(c, { averageRadius: null });
    },
    "rounding",
    /overflow/,
  ],
  "a radius as far as numbers go": [
    (c) => {
      longest(c).radius = Number.MAX_VALUE;
      recount(c);
    },
    "rounding",
    /overflow/,
  ],
  "two samples in each other's place": [
    (c) => {
      const [a, b] = c.samples;
      c.samples.splice(0, 2, { ...b, index: 0, label: a.label }, { ...a, index: 1, label: b.label });
      recount(c);
    },
    "samples",
    /margin|class/,
  ],
  "two samples changed about": [
    (c) => void c.samples.splice(0, 2, ...c.samples.slice(0, 2).reverse()),
    "counts",
    /must have its place/,
  ],
  "a sample less": [
    (c) => {
      c.samples.pop();
      c.data.samples--;
      recount(c);
    },
    "data",
    /there must be 11 samples/,
  ],
  "the best sample again": [
    (c) => {
      c.samples.push({ ...longest(c), index: c.samples.length });
      c.data.samples++;
      recount(c);
    },
    "data",
    /there must be 13 samples/,
  ],
  "no samples": [
    (c) => {
      c.samples = [];
      c.data.samples = 0;
    },
    "counts",
    /there must be 0 samples/,
  ],
  "the label that was predicted": [
    (c) => {
      const s = wrong(c);
      s.label = s.predicted;
      recount(c);
    },
    "data",
    /its label is/,
  ],
  "the margin of the label": [
    (c) => {
      const s = wrong(c);
      s.predicted = s.label;
      recount(c);
    },
    "samples",
    /margin|class|too far/,
  ],
  "a class that is not there": [
    (c) => {
      c.samples[0].predicted = 3;
    },
    "counts",
    /classes must be below 3/,
  ],
  "a larger margin": [
    (c) => {
      c.samples[0].margin += 1e-6;
    },
    "samples",
    /its margin is/,
  ],
  "a better accuracy": [
    (c) => {
      c.accuracy = 1;
    },
    "counts",
    /accuracy: .* counted/,
  ],
  "a better certified accuracy": [
    (c) => {
      c.certified[2].accuracy = Math.min(1, c.certified[2].accuracy + 1 / c.samples.length);
    },
    "counts",
    /certified at/,
  ],
  "a larger average": [
    (c) => {
      c.averageRadius *= 1.1;
    },
    "counts",
    /average radius/,
  ],
  "less rounding": [
    (c) => {
      c.rounding.float64 /= 2;
    },
    "rounding",
    /float64: .* is possible/,
  ],
  "less rounding in float32": [
    (c) => {
      c.rounding.float32 /= 2;
    },
    "rounding",
    /float32: .* is possible/,
  ],
};

describe("verify() of forged claims", () => {
  it.each(Object.entries(claims))("refuses %s", async (_, [forge, check, why]) => {
    await refused(await claimed(original, forge), check, why);
  });

  it("refuses texts that two readers could read differently", async () => {
    const written = (from: string | RegExp, to: string) => ({ ...original, text: original.text.replace(from, to) });
    const texts = [
      written("{", '{"accuracy":1,'),
      written('"accuracy":', '"accuracy":1,"accuracy":'),
      written('"label":', '"l\\u0061bel":'),
      written('"index":0', '"index":-0'),
      written('"index":0', '"index":0.0'),
      written('"index":1', '"index":1.0000000000000000001'),
      written('"index":0', '"index":12345678901234567890'),
      written('"averageRadius":', '"averageRadius":1e999,"x":'),
      written("{", '{"__proto__":{"holds":true},'),
    ];
    for (const forgery of texts) {
      expect(forgery.text).not.toBe(original.text);
      await refused(forgery, "certificate", /not written as JSON writes|is not known/);
    }
    for (const word of ["NaN", "Infinity", "-Infinity", "0x10", "01", "1_0"]) {
      await refused(written('"index":0', `"index":${word}`), "certificate", /no JSON/);
    }
  });

  it("refuses data that are others, permuted, or not finite", async () => {
    const withData = async (edit: (x: Float32Array, labels: Int32Array) => void, rehash = true) => {
      const x = original.data.x.slice();
      const labels = original.data.labels.slice();
      edit(x, labels);
      const data: Dataset = { ...original.data, x, labels };
      const sha256 = await hashDataset(data);
      const made = rehash
        ? await claimed(original, (c) => {
            c.data.sha256 = sha256;
          })
        : original;
      return { ...made, data };
    };
    const first = (x: Float32Array) => {
      x[0] += 1;
    };
    await refused(await withData(first, false), "data", /the data are others/);
    await refused(await withData(first), "rounding", /is possible/);
    await refused(
      await withData((x) => {
        x[0] = Number.NaN;
      }),
      "data",
      /not finite/,
    );
    await refused(
      await withData((x) => {
        x[0] = 3e38;
      }),
      "rounding",
      /overflow/,
    );
    await refused(
      await withData((x, labels) => {
        const [a, b] = [x.slice(0, 5), x.slice(5, 10)];
        x.set(b, 0);
        x.set(a, 5);
        labels.set([labels[1], labels[0]]);
      }),
      original.certificate.samples[0].label === original.certificate.samples[1].label ? "samples" : "data",
      /label|margin|class/,
    );
  });
});

const longest = (c: Draft<Certificate>) =>
  c.samples.filter((s) => s.label === s.predicted).reduce((a, b) => (b.radius > a.radius ? b : a));

function wrong(c: Draft<Certificate>) {
  const found = c.samples.find((s) => s.label !== s.predicted && s.radius > 0);
  if (!found) throw new Error("every sample is right");
  return found;
}

function chain(c: Draft<Certificate>) {
  if (c.witness.chain === null) throw new Error("there are no multipliers");
  return c.witness.chain;
}

function pairs(c: Draft<Certificate>): number[][] {
  if (!c.constant.pairs) throw new Error("there are no pairs");
  return c.constant.pairs;
}
