/** @file Own data on the command line: all of what is handed in is tested on, samples keep their names, and what a result is about stands in it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeNpy } from "../../src/data/npy.ts";
import { constant, input } from "../../src/graph/leaf.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { reshape } from "../../src/ops/movement.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { commandLineIn } from "../commandLine.ts";
import { modelOf } from "../model.ts";

const fixtures = fileURLToPath(new URL("../fixtures/data/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "own-data-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lipschitz = commandLineIn(folder);
const json = (...words: string[]) => {
  const { status, stdout, stderr } = lipschitz(...words, "--json");
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
};

/** Decides by the sign of the first number: f(x) = (x0, -x0), so that the radius of a sample in l2 is |x0|. */
function bySign(size: readonly number[]): Uint8Array {
  const n = size.reduce((a, b) => a * b, 1);
  const weights = new Float32Array(2 * n);
  weights.set([1, -1]);
  const x = input("x", [1, ...size]);
  return writeModel({ y: matmul(reshape(x, [1, n]), constant(tensor(weights, [n, 2]))) });
}

const count = 30;
const firsts = Float32Array.from({ length: count }, (_, i) => ((i % 2 === 0 ? 1 : -1) * (i + 1)) / 8);
beforeAll(() => {
  writeFileSync(join(folder, "sign.onnx"), bySign([3]));
  const x = Float32Array.from({ length: 3 * count }, (_, i) => (i % 3 === 0 ? firsts[i / 3] : 0.5));
  writeFileSync(join(folder, "x.npy"), writeNpy(x, [count, 3]));
  const rows = Array.from(firsts, (v, i) => `s${i};${v};0.5;0.5;${v > 0 ? "plus" : "minus"}`);
  // One label is deliberately wrong.
  rows[4] = rows[4].replace("plus", "minus");
  writeFileSync(join(folder, "signs.csv"), ["code;a;b;c;sign", ...rows].join("\n"));
  writeFileSync(join(folder, "names.txt"), "plus\nminus\n");
});

describe("certify", () => {
  const words = ["certify", "sign.onnx", "--data", "signs.csv", "--classes", "names.txt", "--radii", "1"];

  it("takes every sample of the file, and finds the wrong label", () => {
    const found = json(...words);
    expect(found.data).toMatchObject({ name: "signs.csv", samples: count, classNames: ["plus", "minus"] });
    expect(found.data.notes).toEqual(['Samples are named by column "code".']);
    expect(found.accuracy).toBe((count - 1) / count);
    expect(found.samples).toHaveLength(count);
    found.samples.forEach((s: { id: string; index: number; radius: number }, i: number) => {
      expect([s.index, s.id]).toEqual([i, `s${i}`]);
      expect(s.radius).toBeLessThanOrEqual(Math.abs(firsts[i]));
      expect(s.radius).toBeGreaterThan(0.9999 * Math.abs(firsts[i]));
    });
    const { stdout } = lipschitz(...words);
    expect(stdout).toMatch(/^30 samples of signs\.csv\nSamples are named by column "code"\.\naccuracy 96\.7 %/);
    expect(stdout).toContain("Smallest radii: s0 (plus) 0.12");
  });

  it("takes a part where told, whose samples keep their names", () => {
    const found = json(...words, "--split", "test=0.2", "--seed", "5");
    expect(found.data.samples).toBe(6);
    for (const { id, radius } of found.samples) expect(radius).toBeCloseTo(Math.abs(firsts[Number(id.slice(1))]), 3);
    expect(found.data.notes[1]).toBe("6 of its 30 samples are for tests, drawn by seed 5 (test=0.2).");
  });

  it("writes names into a certificate that verify and attack read with the same data", () => {
    const certificate = json(...words, "--out", "signs.json");
    expect(certificate.samples[7].id).toBe("s7");
    expect(certificate.data).toMatchObject({ samples: count, classNames: ["plus", "minus"] });
    expect(
      lipschitz("verify", "signs.json", "sign.onnx", "--data", "signs.csv", "--classes", "plus,minus").status,
    ).toBe(0);
    const attack = [
      "attack",
      "sign.onnx",
      "--data",
      "signs.csv",
      "--classes",
      "names.txt",
      "--certificate",
      "signs.json",
    ];
    const found = json(...attack, "--attack", "deepfool");
    expect(found.violations).toEqual([]);
    expect(found.samples.map((s: { id: string }) => s.id).slice(0, 3)).toEqual(["s0", "s1", "s2"]);
    const { stdout } = lipschitz(...attack, "--attack", "deepfool", "--radii", "0.2");
    expect(stdout).toContain("30 samples of signs.csv");
    expect(stdout).toMatch(
      /Changed most easily: s0 \(plus becomes minus\) 0\.12\d+, s1 \(minus becomes plus\) 0\.2[45]/,
    );
  });

  it("counts the network's own decisions as labels where there are none, and says so everywhere", () => {
    const found = json("certify", "sign.onnx", "--data", "x.npy", "--radii", "1", "--out", "own.json");
    expect(found.data).toMatchObject({ name: "x.npy", samples: count, labels: "predictions" });
    expect(found.samples[3]).toMatchObject({ id: "row 3", label: 1, predicted: 1 });
    const { stdout } = lipschitz("certify", "sign.onnx", "--data", "x.npy");
    expect(stdout).toContain(
      "30 samples of x.npy\nNo labels: there is no y.npy.\nThe labels are the network's own decisions",
    );
    expect(stdout).not.toContain("accuracy 1");
    expect(lipschitz("verify", "own.json", "sign.onnx", "--data", "x.npy").status).toBe(0);
    const other = JSON.parse(readFileSync(join(folder, "own.json"), "utf8"));
    expect(other.data.labels).toBe("predictions");
    expect(json("attack", "sign.onnx", "--data", "x.npy", "--attack", "deepfool").data.labels).toBe("predictions");
    expect(json("curvature", "sign.onnx", "--data", "x.npy").samples[2].id).toBe("row 2");
    expect(json("bound", "sign.onnx", "--data", "x.npy").data).toMatchObject({ name: "x.npy", samples: count });
  });

  it("asks for the names of all classes where those in the file may be some of the network's", () => {
    const one = join(folder, "one.csv");
    writeFileSync(one, "1;0.5;0.5;plus\n2;0.5;0.5;plus\n");
    const { status, stderr } = lipschitz("certify", "sign.onnx", "--data", one);
    expect(status).toBe(1);
    expect(stderr).toContain("each of its outputs must have the name of a class, got 2 and 1 (plus); say all classes");
    expect(json("certify", "sign.onnx", "--data", one, "--classes", "plus,minus").accuracy).toBe(1);
  });
});

describe("two commands from images to a report", () => {
  it("trains on a folder of classes, and certifies single files by their names", () => {
    const images = join(fixtures, "pictures");
    const small = ["--resize", "6x8", "--color", "grey"];
    const words = ["--data", images, ...small, "--split", "test=0.4", "--seed", "2"];
    const run = json("train", "plain", ...words, "--widths", "4", "--epochs", "2", "--batch", "2", "--out", "images");
    expect(run.data.samples).toEqual({ train: 3, test: 2 });
    expect(run.spec.reading).toEqual({ test: 0.4, resize: [6, 8], color: "grey" });
    const report = readFileSync(join(folder, "images/report.html"), "utf8");
    expect(report).toContain("--split test=0.4");
    expect(report).toMatch(/(cat|dog)\/\w+\.(png|jpe?g)/);
    const all = json("certify", "images/model.onnx", "--data", images, ...small);
    expect(all.data.samples).toBe(5);
    expect(all.samples.map((s: { id: string }) => s.id)).toContain("dog/four.jpeg");
    expect(all.data.classNames).toEqual(["cat", "dog"]);
    // The same part, by the same split and seed.
    expect(json("certify", "images/model.onnx", ...words).accuracy).toBe(run.accuracy);
    expect(lipschitz("certify", "images/model.onnx", "--data", images).stderr).toContain("[3,24,32]");
  });

  it("draws the report of a model on a folder of images in one command", () => {
    const small = ["--resize", "6x8", "--color", "grey", "--radii", "0.05"];
    const found = json("report", "images/model.onnx", "--data", join(fixtures, "pictures"), ...small);
    expect(found).toMatchObject({ report: "images/model-report.html", samples: 5, alarm: [] });
    const text = readFileSync(join(folder, "images/model-report.html"), "utf8");
    expect(text).toContain("of 5 samples");
    expect(text).toContain("Certified accuracy, and what attacks leave");
    expect(text).toContain("Weakest samples");
    expect(text).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
    const { status, stderr } = lipschitz("report", "images/model.onnx");
    expect([status, stderr]).toEqual([
      1,
      "lipschitz: report: missing --data D, the samples on which images/model.onnx is measured\n",
    ]);
    const folderOfRun = lipschitz("report", "images", "--data", "x.npy");
    expect(folderOfRun.stderr).toContain("--data: is an option for an .onnx file; images is the folder of a run");
  });

  it("writes what it normalises by into the model, which is certified and verified in the units of the data", () => {
    const words = ["--data", "signs.csv", "--widths", "4", "--epochs", "3", "--batch", "4"];
    const normalized = json("train", "lbdn", "--gamma", "2", ...words, "--normalize", "--out", "normal");
    expect(normalized.spec.preprocessing).toBe("normalize");
    const { mean, std } = normalized.preprocessing;
    expect([mean.length, std.length, mean[1], std[1]]).toEqual([3, 3, 0.5, 1]);
    expect(normalized.claim.constant).toBeCloseTo(2 / Math.min(...std), 5);
    expect(normalized.claim.holds).toBe(true);
    // The same numbers by hand give the same model.
    const numbers = ["--mean", mean.join(), "--std", std.join()];
    const byHand = json("train", "lbdn", "--gamma", "2", ...words, ...numbers, "--out", "hand");
    expect(byHand.model.sha256).toBe(normalized.model.sha256);
    expect(readFileSync(join(folder, "hand/report.html"), "utf8")).toContain(`--mean ${mean.join()}`);
    const { stderr } = lipschitz("train", "plain", "--normalize", "--mean", "1", "--out", "none");
    expect(stderr).toBe("lipschitz: --normalize: takes the numbers from the data; leave --mean out\n");
  });

  it("takes a scale for each feature in front of a network, and verifies it", () => {
    const words = ["--data", "signs.csv", "--classes", "names.txt", "--scale", "4,1,1"];
    const plain = json("certify", "sign.onnx", "--data", "signs.csv", "--classes", "names.txt");
    const certificate = json("certify", "sign.onnx", ...words, "--out", "scaled.json");
    expect(certificate.preprocessing).toEqual({ scale: [4, 1, 1] });
    // The margin grows with the constant.
    expect(certificate.constant.value / plain.constant.value).toBeCloseTo(4, 3);
    expect(certificate.samples[3].radius / plain.samples[3].radius).toBeCloseTo(1, 3);
    expect(lipschitz("verify", "scaled.json", "sign.onnx", ...words.slice(0, 4)).status).toBe(0);
  });

  it("lists a method's own options in the help of the method", () => {
    const { stdout } = lipschitz("train", "lcnn", "--help");
    expect(stdout).toMatch(/--beta-weight=<X> +Weight of .* beta\. Default: 0\.01/);
    expect(stdout).not.toContain("--gamma=");
    expect(lipschitz("train", "--help").stdout).not.toContain("--beta-weight");
    const { status, stderr } = lipschitz("train", "lmt", "--beta-weight", "1", "--out", "none");
    expect([status, stderr]).toEqual([1, "lipschitz: --beta-weight: is an option of lcnn, not of lmt\n"]);
  });

  it("refuses a resumed run other data", () => {
    const { status, stderr } = lipschitz("train", "--resume", "images", "--split", "test=0.2");
    expect([status, stderr]).toEqual([1, "lipschitz: --split: a resumed run keeps the settings of its checkpoint\n"]);
  });
});

describe("options", () => {
  it.each([
    [["--split", "0.2"], "--split: must be test=PART with a part between 0 and 1"],
    [["--split", "test=1"], "--split: must be test=PART"],
    [["--task", "ranking"], '--task: must be classification or regression, got "ranking"'],
    [["--resize", "12*16"], "--resize: must be HEIGHTxWIDTH"],
    [["--label", "kind"], "label must be a column (code, a, b, c, sign, or 0..4)"],
    [["--classes", "nowhere.txt"], "nowhere.txt: no such file"],
  ])("%j: one line", (words, message) => {
    const { status, stderr } = lipschitz("certify", "sign.onnx", "--data", "signs.csv", ...words);
    expect(status).toBeGreaterThan(0);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toContain(message);
  });
});

describe("regressions", () => {
  it("are guessed from fractions, and certified by error bands of every output", () => {
    const rows = Array.from({ length: 6 }, (_, i) => `p${i},${i / 4},0.5,0.25,${i / 4 + 0.5},${-i / 4}`);
    writeFileSync(join(folder, "doses.csv"), ["patient_id,a,b,c,up,down", ...rows].join("\n"));
    const words = ["certify", "sign.onnx", "--data", "doses.csv", "--label", "up,down", "--radii", "0.5"];
    const found = json(...words, "--out", "bands.json");
    expect(JSON.parse(readFileSync(join(folder, "bands.json"), "utf8"))).toEqual(found);
    expect(found.data).toMatchObject({ name: "doses.csv", samples: 6 });
    const constants = found.outputs.map((o: { constant: number }) => o.constant);
    expect(constants).toEqual([expect.closeTo(1, 5), expect.closeTo(1, 5)]);
    // f = (a, -a): off by 1/2 in the first output, and by nothing in the second.
    expect(found.bands[0].outputs[0]).toMatchObject({
      band: expect.closeTo(0.5, 5),
      error: { largest: expect.closeTo(1, 5) },
    });
    expect(found.bands[0].outputs[1].error.largest).toBeCloseTo(0.5, 5);
    expect(found.samples[4]).toMatchObject({ id: "p4", errors: [expect.closeTo(0.5, 6), expect.closeTo(0, 6)] });
    expect(lipschitz(...words).stdout).toMatch(/Constants of the outputs, l2, proved: 1\.00[01], 1\.00[01]/);
    expect(lipschitz("attack", "sign.onnx", "--data", "doses.csv", "--label", "up,down").stderr).toContain(
      "needs an output",
    );
    expect(json("curvature", "sign.onnx", "--data", "doses.csv", "--label", "up,down").samples[1].id).toBe("p1");
  });
});

describe("models of several inputs and free sizes", () => {
  beforeAll(() => {
    // y = a . (1, 2) + b . (3, 0, 4), summed over the last axis of each, a [batch, 2], b [batch, length].
    const weights = { dtype: "float32", shape: [2, 1], data: Float32Array.of(1, 2) } as const;
    const three = { dtype: "float32", shape: [3, 1], data: Float32Array.of(3, 0, 4) } as const;
    writeFileSync(
      join(folder, "two.onnx"),
      modelOf({
        inputs: { a: ["batch", 2], b: ["batch", "length"] },
        nodes: [
          { op: "MatMul", in: ["a", "w"], out: ["p"], name: "first" },
          { op: "MatMul", in: ["b", "v"], out: ["q"], name: "second" },
          { op: "Add", in: ["p", "q"], out: ["y"], name: "sum" },
        ],
        tensors: { w: weights, v: three },
      }),
    );
    writeFileSync(join(folder, "b.npy"), writeNpy(Float32Array.of(1, 1, 1), [3]));
  });

  it("says which size is free, and how to say it", () => {
    const { status, stderr } = lipschitz("bound", "two.onnx");
    expect(status).toBe(2);
    expect(stderr).toContain('a size of its input "b" is free: say it (--shape b=1,N)');
  });

  it("takes all inputs as one vector, or fixes some", () => {
    const words = ["bound", "two.onnx", "--shape", "b=1,3", "--method", "autolip,jacobian"];
    const all = json(...words);
    expect(all.inputs).toEqual(["a", "b"]);
    expect(all.upper.value).toBeCloseTo(Math.sqrt(30), 4);
    expect(all.lower.value).toBeCloseTo(Math.sqrt(30), 4);
    const first = json(...words, "--fix", "b=b.npy");
    expect(first.inputs).toEqual(["a"]);
    expect(first.upper.value).toBeCloseTo(Math.sqrt(5), 5);
    expect(json(...words, "--fix", "a=0.5").upper.value).toBeCloseTo(5, 5);
    expect(lipschitz(...words, "--fix", "c=1").stderr).toContain('its inputs are a, b, got "c"');
    expect(lipschitz(...words, "--fix", "a=").stderr).toContain('--fix: must be a number , got ""'.replace(" ,", ","));
  });
});
