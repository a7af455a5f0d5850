import { decode } from "fast-png";
import { describe, expect, it } from "vitest";
import type { Bound, Bracket } from "../bounds/bound.ts";
import type { RunRecord } from "../experiment/record.ts";
import type { SampleRecord } from "../experiment/samples.ts";
import { defaultSpec, type RunSpec } from "../experiment/spec.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Reported } from "./groups.ts";
import { renderReport } from "./report.ts";
import { verdictOf } from "./verdict.ts";

describe("renderReport()", () => {
  it("asks nothing of the network, runs no script, and is small", async () => {
    const text = await renderReport(
      ["plain", "clip", "lbdn"].flatMap((name) => [1, 2, 3].map((seed) => run(name, seed))),
    );
    expect(text).not.toMatch(/https?:|<script|<link|@import|url\(/);
    for (const [, address] of text.matchAll(/\s(?:src|href)="([^"]*)"/g))
      expect(address).toMatch(/^(#|data:image\/png)/);
    expect(text.length).toBeLessThan(3e6);
  });

  it("says the verdict, the bracket and its bounds, the blame, accuracies and hashes of the record", async () => {
    const { record, samples } = run("clip", 1);
    const text = await renderReport([{ record, ...(samples ? { samples } : {}) }]);
    const seen = shown(text);
    expect(seen).toContain(verdictOf(record).replace(/(\d) %/g, "$1\u00a0%"));
    expect(verdictOf(record)).toContain("at least 4.000 (seen) and at most 8.125 (proved by lipsdp)");
    for (const word of ["16.25", "8.125", "4.000", "MatMul 1", "61.2", "73.0", "91.2", "0.9740"]) {
      expect(seen).toContain(word);
    }
    for (const hash of [record.model.sha256, record.data.sha256.train, record.data.sha256.test])
      expect(seen).toContain(hash);
    expect(seen).toContain("lipschitz train clip --data digits --model mlp");
  });

  it("escapes names", async () => {
    const { record } = run("plain", 1);
    const evil = '<img src="x" onerror="alert(1)">';
    const layers = record.bracket.layers.map((l) => ({ ...l, node: evil }));
    const text = await renderReport([
      { record: { ...record, data: { ...record.data, name: evil }, bracket: { ...record.bracket, layers } } },
    ]);
    expect(text).not.toContain("<img");
    expect(text).toContain("&#60;img");
  });

  it("names every plot and unfolds the numbers behind it", async () => {
    const text = await renderReport([run("plain", 1)]);
    const plots = text.match(/<svg[^>]*>(?:<title>[^<]*)?/g) ?? [];
    expect(plots.length).toBeGreaterThanOrEqual(5);
    for (const plot of plots) expect(plot).toMatch(/role="img" aria-label="[^"]+".*<title>./s);
    expect(text).not.toMatch(/<g[^>]* aria-/);
    const figures = text.match(/<figure[\s\S]*?<\/figure>/g) ?? [];
    const bare = figures.filter((f) => !f.includes("<table>"));
    expect(bare).toEqual([]);
    expect(headings(text)).toEqual(expect.arrayContaining(["1", "2", "3"]));
  });

  it("shows images of the weakest samples that are what the run found", async () => {
    const text = await renderReport([run("plain", 1)]);
    const images = [...text.matchAll(/src="data:image\/png;base64,([^"]+)"/g)].map(([, code]) =>
      decode(Uint8Array.from(atob(code), (c) => c.charCodeAt(0))),
    );
    expect(images.map(({ width, height, channels }) => [width, height, channels])).toEqual([
      [4, 4, 1],
      [4, 4, 4],
      [4, 4, 1],
    ]);
    const [x, moved, attacked] = images;
    expect(x.data[0]).toBe(Math.round(255 * 0.5));
    expect(attacked.data[0]).toBe(Math.round(255 * 0.75));
    expect([...moved.data.slice(0, 4)]).toEqual([213, 94, 0, 255]);
    expect(moved.data[7]).toBe(0);
  });

  it("shows the mean over seeds with the range, and marks the best", async () => {
    const text = await renderReport([run("plain", 1), run("plain", 2), run("clip", 1), run("clip", 2)]);
    const seen = shown(text);
    expect(seen).toContain("Means over up to 2 seeds");
    expect(seen).toContain(
      "Of 2 methods on digits (means over 2 seeds) clip has the largest average certified radius, 0.4321 in l2 by lipsdp: of 4 test samples",
    );
    // Accuracies of the seeds are 0.902 and 0.912 for plain, 0.912 and 0.922 for clip.
    expect(text).toMatch(/<strong>91\.7<\/strong><br><small>±0\.5</);
    expect(text.match(/<section id="run-/g)).toHaveLength(2);
  });

  it("says of how many samples attacks speak", async () => {
    const some = (name: string): Reported => {
      const { record, ...rest } = run(name, 1);
      return { ...rest, record: { ...record, data: { ...record.data, samples: { train: 50, test: 90 } } } };
    };
    const seen = shown(await renderReport([some("plain"), some("clip")]));
    expect(seen).toContain("at most the second (left by attacks of the first 4 test samples)");
    expect(seen).toContain("attacks on 4 samples against each of 2 networks");
    const all = shown(await renderReport([run("plain", 1), run("clip", 1)]));
    expect(all).toContain("at most the second (left by attacks)");
  });

  it("draws a regression", async () => {
    const { record } = run("plain", 1);
    const { samples } = run("plain", 1);
    const line = { x: [-1, 0, 1], targets: [0, 1, 0], outputs: [0.1, 0.8, 0.2] };
    const regression: RunRecord = {
      ...record,
      accuracy: null,
      certified: null,
      averageRadius: null,
      attacked: null,
      epochs: record.epochs.map((e) => ({ ...e, trainAccuracy: null, testAccuracy: null })),
    };
    const text = await renderReport([
      {
        record: regression,
        samples: { ...(samples as SampleRecord), radii: [], labels: [], attacked: [], weakest: [], line },
      },
    ]);
    expect(shown(text)).toContain("has a test loss (cross-entropy) of 0.3210");
    expect(text).toContain("The function learnt");
    expect(text).not.toContain("Certified accuracy");
  });

  it("sets the radii beside the attacks, by what proves them", async () => {
    const { record, samples } = run("plain", 1);
    const by = ["linear", "constant", "linear", "constant"] as const;
    const told = shown(await renderReport([{ record, samples: { ...(samples as SampleRecord), by } }]));
    expect(told).toContain("Certified radius and smallest attack, sample by sample");
    expect(told).toContain("2 right samples whose decision an attack changes");
    // 0.25 / 0.11 and 0.5 / 0.2.
    expect(told).toContain("the closest is 2.273 times the radius, the median 2.500 times");
    expect(told).toContain("the linear walk");
  });

  it("draws what has no constant, and what found nothing", async () => {
    const { record } = run("plain", 1);
    const failed: Bound = {
      method: "autolip",
      side: "upper",
      proved: true,
      value: Number.POSITIVE_INFINITY,
      seconds: 0,
      status: "unbounded",
    };
    const none: Bracket = {
      ...record.bracket,
      lower: null,
      upper: null,
      noConstant: { node: "Mul 3", why: "x * y of two inputs", local: false },
      bounds: [failed],
      layers: [],
    };
    const text = await renderReport([{ record: { ...record, bracket: none } }, run("clip", 1)]);
    const seen = shown(text);
    expect(seen).toContain("it has no Lipschitz constant (x * y of two inputs)");
    expect(seen).toContain("unbounded");
    expect(seen).not.toMatch(/NaN|undefined|Infinity/);
    const written = JSON.parse(JSON.stringify({ ...record, bracket: none })) as RunRecord;
    expect(shown(await renderReport([{ record: written }]))).not.toMatch(/NaN|undefined|null|Infinity/);
  });

  it("shows points of the plane with their balls in every norm", async () => {
    for (const norm of [1, 2, "inf"] as const) {
      const { record, samples } = run("plain", 1);
      const margins = [
        [1, 1, -1, -1],
        [-1, -1, 1, 1],
      ];
      const plane = {
        x: [0, 2],
        y: [0, 2],
        size: [2, 2],
        margins,
        indices: [0, 1],
        points: [
          [0.5, 0.5],
          [1.5, 1.5],
        ],
      } as const;
      const text = await renderReport([
        { record: { ...record, norm }, samples: { ...(samples as SampleRecord), shape: [2], plane } },
      ]);
      expect(text).toContain("Map of the decisions");
      expect(shown(text)).toContain(`Balls are to scale in ${norm === "inf" ? "l-inf" : `l${norm}`}`);
    }
  });

  it("draws curvature at samples", async () => {
    const { record, samples } = run("plain", 1);
    const curvature = [0.1, 1, 10, 10, 0];
    const seen = shown(await renderReport([{ record, samples: { ...(samples as SampleRecord), curvature } }]));
    expect(seen).toContain("the dashed line is their median, 10.00. 1 more have none.");
  });

  it("raises the alarm before all else", async () => {
    const { record } = run("plain", 1);
    const attacked = record.attacked as NonNullable<RunRecord["attacked"]>;
    const violation = {
      index: 3,
      norm: "2",
      predicted: 1,
      radius: 1,
      distance: 0.5,
      attack: "pgd",
      kind: "proof",
    } as const;
    const text = await renderReport([{ record: { ...record, attacked: { ...attacked, alarm: [violation] } } }]);
    expect(shown(text)).toContain("ALARM: 1 decisions changed inside their certified radius");
    expect(shown(text)).not.toContain("No alarm");
  });

  it("refuses runs that cannot be compared, and none", async () => {
    const other = run("clip", 1);
    const data = { ...other.record.data, sha256: { train: "c", test: "d" } };
    await expect(renderReport([run("plain", 1), { record: { ...other.record, data } }])).rejects.toThrow(
      /on the same data/,
    );
    await expect(renderReport([])).rejects.toThrow(UsageError);
  });
});

// --- internal ---

/** The text of a page, without tags, and characters as they are read. */
const shown = (text: string): string =>
  text
    .replace(/<style>[\s\S]*?<\/style>/g, "")
    .replace(/<[^>]*>/g, " ")
    .replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));

const headings = (text: string): string[] => [...text.matchAll(/<h(\d)/g)].map(([, level]) => level);

/** A run with numbers that stand for themselves. */
function run(name: string, seed: number): Reported {
  const spec = { ...defaultSpec, method: { name }, seed } as RunSpec;
  const accuracy = 0.892 + 0.01 * seed + (name === "plain" ? 0 : 0.01);
  const record: RunRecord = {
    tool: { name: "lipschitz", version: "0.0.0" },
    spec,
    data: {
      name: "digits",
      sha256: { train: "aa".repeat(32), test: "bb".repeat(32) },
      samples: { train: 50, test: 4 },
    },
    engine: "onnxruntime",
    model: {
      file: "model.onnx",
      sha256: `${seed}`.repeat(64),
      opset: 17,
      parameters: 123,
      exportCheck: { samples: 4, largestDifference: 1e-7 },
    },
    epochs: [1, 2, 3].map((epoch) => ({
      epoch,
      epochs: 3,
      trainLoss: 1 / epoch,
      trainAccuracy: 1 - 0.3 / epoch,
      testLoss: 1.1 / epoch,
      testAccuracy: 1 - 0.4 / epoch,
      seconds: 0.5,
    })),
    seconds: { train: 1.5, bound: 2, certify: 0.1, attack: 3, curvature: 0.5 },
    accuracy: accuracy,
    testLoss: 0.321,
    norm: 2,
    bracket: bracketOf(),
    certified: [
      { radius: 0.1, accuracy: 0.612 },
      { radius: 0.3, accuracy: 0.25 },
      { radius: 0.5, accuracy: 0 },
    ],
    averageRadius: name === "plain" ? 0.1234 : 0.4321,
    attacked: {
      protocol: { norm: "2", radii: [0.1, 0.3, 0.5], range: [0, 1], seed, attacks: [] },
      samples: 4,
      accuracy,
      robust: [
        { radius: 0.1, accuracy: 0.73 },
        { radius: 0.3, accuracy: 0.5 },
        { radius: 0.5, accuracy: 0.25 },
      ],
      medianDistance: 0.4,
      alarm: [],
    },
    curvature: null,
  };
  const x = Array.from({ length: 16 }, () => 0.5);
  const weak = {
    index: 2,
    label: 1,
    becomes: 7,
    radius: 0.11,
    distance: 0.25,
    x,
    perturbation: x.map((_, i) => (i === 0 ? 0.25 : 0)),
  };
  const samples: SampleRecord = {
    model: record.model.sha256,
    shape: [1, 4, 4],
    range: [0, 1],
    labels: [0, 0, 1, 1],
    predicted: [0, 1, 1, 1],
    radii: [0.2, 0.3, 0.11, 0.4],
    attacked: [
      { right: true, distance: 0.5 },
      { right: false, distance: 0.4 },
      { right: true, distance: 0.25 },
      { right: true, distance: null },
    ],
    curvature: [],
    weakest: [weak],
    plane: null,
    line: null,
  };
  return { record, samples };
}

function bracketOf(): Bracket {
  const upper = { side: "upper", proved: true, seconds: 0.1, status: "done" } as const;
  return {
    norm: "2",
    domain: "global",
    lower: { value: 4, method: "jacobian", witness: null },
    upper: { value: 8.125, method: "lipsdp", proved: true },
    bounds: [
      { ...upper, method: "autolip", value: 16.25 },
      { ...upper, method: "lipsdp", value: 8.125 },
      { method: "jacobian", side: "lower", proved: false, value: 4, seconds: 0.2, status: "done", witness: null },
    ],
    layers: [
      { node: "MatMul 1", op: "MatMul", shape: [4, 2], upper: 912, lower: 4, shareOfLog: 0.912 },
      { node: "MatMul 2", op: "MatMul", shape: [2, 2], upper: 0.974, lower: 0.974, shareOfLog: -0.088 },
    ],
  };
}
