/** @file The command line as a user meets it: the built program in a process of its own, what it prints, what it writes, how it exits. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseNpy } from "../../src/data/npy.ts";
import { constant, input } from "../../src/graph/leaf.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { tanh } from "../../src/ops/pointwise.ts";
import { normalTensor, random } from "../../src/tensor/random.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { commandLineIn } from "../commandLine.ts";
import { modelOf } from "../model.ts";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-cli-"));
const runFolder = join(folder, "run");

const centre = join(folder, "centre.json");
writeFileSync(centre, "[0.1, 0.2, -0.3]");

/** A small tanh network of three inputs, as bytes. */
function controller(): Uint8Array {
  const source = random(7);
  const [first, second] = [normalTensor(source, [3, 5]), normalTensor(source, [5, 2])];
  const y = matmul(tanh(matmul(input("x", [1, 3]), constant(first))), constant(second));
  return writeModel({ y });
}

const lipschitz = commandLineIn(folder);

beforeAll(() => {
  const { status, stderr } = lipschitz(
    "train",
    "plain",
    ...["--data", "iris", "--epochs", "10", "--batch", "16", "--widths", "8"],
    "--out",
    runFolder,
    "--quiet",
  );
  expect(stderr).toBe("");
  expect(status).toBe(0);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Commands whose help is looked at. */
const named = [
  ...["compare", "train", "run", "bound", "curvature", "difference", "margins", "certify", "verify", "attack"],
  ...["rank", "explain", "report", "data"],
];

describe("help", () => {
  it("is what bare words show, which is no failure", () => {
    const bare = lipschitz();
    expect([bare.status, bare.stderr]).toEqual([0, ""]);
    expect(bare.stdout).toBe(lipschitz("--help").stdout);
    expect(lipschitz("data").status).toBe(0);
  });

  it("names every command", () => {
    const { status, stdout } = lipschitz("--help");
    expect(status).toBe(0);
    for (const word of named) expect(stdout).toContain(word);
  });

  it.each([...named.filter((name) => name !== "data"), "data fetch"])("of %s ends with an example", (words) => {
    const { status, stdout } = lipschitz(...words.split(" "), "--help");
    expect(status).toBe(0);
    expect(stdout).toMatch(/EXAMPLE\n\n {2}lipschitz /);
    const [lists] = stdout.split("EXAMPLE");
    for (const line of lists.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });

  it("has no colours when piped", () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape is what is looked for
    expect(lipschitz("bound", "--help").stdout).not.toMatch(/\u001b\[/);
  });
});

describe("train", () => {
  const few = ["--data", "iris", "--batch", "16"];

  it("writes a model, a record and a checkpoint, and nothing half-written", () => {
    const files = readdirSync(runFolder).sort();
    expect(files).toEqual([
      "certificate.json",
      "checkpoint.json",
      "model.onnx",
      "record.json",
      "report.html",
      "samples.json",
      "weights-10.bin",
    ]);
  });

  it("resumes to the same numbers", () => {
    const short = join(folder, "short");
    const options = [...few, "--widths", "16", "--seed", "1", "--quiet", "--schedule", "constant"];
    const whole = join(folder, "whole");
    expect(lipschitz("train", "plain", "--epochs", "4", ...options, "--out", whole).status).toBe(0);
    expect(lipschitz("train", "plain", "--epochs", "2", ...options, "--out", short).status).toBe(0);
    expect(lipschitz("train", "--resume", short, "--epochs", "4", "--quiet").status).toBe(0);
    expect(readFileSync(join(short, "weights-4.bin")).equals(readFileSync(join(whole, "weights-4.bin")))).toBe(true);
    expect(readFileSync(join(short, "model.onnx")).equals(readFileSync(join(whole, "model.onnx")))).toBe(true);
  });

  it("leaves no partial file when interrupted", async () => {
    const out = join(folder, "interrupted");
    const child = spawn(
      process.execPath,
      [program, "train", "plain", ...few, "--epochs", "50000", "--json", "--out", out],
      {
        cwd: folder,
      },
    );
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
      });
    }
    while (!existsSync(join(out, "checkpoint.json"))) await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill("SIGINT");
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect(code).toBe(130);
    expect(said.stderr).toBe(`lipschitz: interrupted; go on by: lipschitz train --resume ${out}\n`);
    expect(JSON.parse(said.stdout)).toEqual({ interrupted: true, advice: `go on by: lipschitz train --resume ${out}` });
    expect(readdirSync(out).filter((f) => f.endsWith(".part"))).toEqual([]);
    const { epoch } = JSON.parse(readFileSync(join(out, "checkpoint.json"), "utf8"));
    expect(lipschitz("train", "--resume", out, "--epochs", `${epoch + 1}`, "--quiet").stderr).toBe("");
  });

  it("refuses a damaged checkpoint", () => {
    const damaged = join(folder, "damaged");
    expect(
      lipschitz("train", "plain", ...few, "--epochs", "1", "--widths", "4", "--out", damaged, "--quiet").status,
    ).toBe(0);
    const weights = join(damaged, "weights-1.bin");
    const bytes = readFileSync(weights);
    bytes[100] ^= 1;
    writeFileSync(weights, bytes);
    const { status, stderr } = lipschitz("train", "--resume", damaged);
    expect(stderr).toMatch(/^lipschitz: .*weights-1\.bin: is not the file that checkpoint\.json names/);
    expect(status).toBe(2);
  });
});

describe("bound", () => {
  it("prints one JSON object with a bracket", () => {
    const { status, stdout, stderr } = lipschitz("bound", join(runFolder, "model.onnx"), "--json");
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const bracket = JSON.parse(stdout);
    expect(bracket.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(bracket.norm).toBe("2");
    expect(bracket.upper.proved).toBe(true);
    expect(bracket.lower.value).toBeGreaterThan(0);
    expect(bracket.lower.value).toBeLessThanOrEqual(bracket.upper.value);
    expect(bracket.lower.witness.x).toHaveLength(4);
    expect(bracket.layers.length).toBeGreaterThanOrEqual(2);
  });

  it.each(["1", "inf"])("in norm %s keeps the order", (norm) => {
    const { upper, lower } = JSON.parse(
      lipschitz("bound", join(runFolder, "model.onnx"), "--norm", norm, "--json").stdout,
    );
    expect(upper.value).toBeGreaterThanOrEqual(lower.value);
  });

  it("on a box is never above the whole space, and a point gives its own Jacobian", () => {
    const net = join(folder, "controller.onnx");
    writeFileSync(net, controller());
    const ask = (...words: string[]) => JSON.parse(lipschitz("bound", net, "--json", ...words).stdout);
    const [whole, box, ball] = [ask(), ask("--box=-1,1"), ask("--center", centre, "--radius", "1e-6")];
    expect(whole.domain).toBe("global");
    expect(box.domain).toBe("box");
    expect(box.upper.value).toBeLessThanOrEqual(whole.upper.value);
    expect(ball.upper.value / ball.lower.value).toBeLessThan(1 + 1e-3);
    expect(ask("--box=-1:1,0:1,0:0.5").upper.value).toBeLessThanOrEqual(box.upper.value);
  });

  it.each([
    [["--box=1"], /--box: must be LO,HI/],
    [["--box=0:1,0:1"], /must be 3 pairs/],
    [["--box=2,1"], /low must not exceed high/],
    [["--radius", "1"], /--center FILE and --radius R: each needs the other/],
    [["--center", "none.json", "--radius", "1"], /none\.json: no such file/],
    [["--method", "seqlip", "--norm", "1"], /seqlip has no bound in l1/],
  ])("refuses the domain or method %j with one line", (words, message) => {
    const net = join(folder, "controller.onnx");
    writeFileSync(net, controller());
    const { stderr, status } = lipschitz("bound", net, ...words);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect([1, 2]).toContain(status);
  });

  it("exits 3 above --max and 0 below", () => {
    const model = join(runFolder, "model.onnx");
    expect(lipschitz("bound", model, "--max", "0.001", "--quiet", "--method", "autolip").status).toBe(3);
    expect(lipschitz("bound", model, "--max", "1e9", "--quiet", "--method", "autolip").status).toBe(0);
  });
});

describe("curvature", () => {
  it("measures a piecewise linear network's loss, and says that nothing else bends", () => {
    const words = ["curvature", join(runFolder, "model.onnx"), "--data", "iris", "--samples", "20"];
    const { status, stdout } = lipschitz(...words, "--json");
    expect(status).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({
      data: { name: "iris", samples: 30 },
      of: "loss",
      smoothness: { kind: "piecewise linear" },
    });
    expect(found.samples).toHaveLength(20);
    expect(found.curvature.mean).toBeGreaterThan(0);
    expect(found.bound).toMatchObject({ proved: false, value: null });
    expect(lipschitz(...words).stdout).toMatch(/piecewise linear \(Relu\): its second derivative is zero almost/);
  });

  it("of a smooth network is never above the proved bound, with or without data", () => {
    const net = join(folder, "controller.onnx");
    writeFileSync(net, controller());
    const found = JSON.parse(lipschitz("curvature", net, "--json", "--samples", "30", "--radii", "0.01,0.1").stdout);
    expect(found.data).toBe(null);
    expect(found.smoothness.kind).toBe("smooth");
    expect(found.bound.proved).toBe(true);
    expect(found.hessian.max).toBeLessThanOrEqual(found.bound.loss);
    expect(found.stability.map((s: { radius: number }) => s.radius)).toEqual([0.01, 0.1]);
    expect(lipschitz("curvature", net, "--samples", "5").stdout).toMatch(/Proved, everywhere \(chain\): Hessian norms/);
  });
});

describe("certify", () => {
  it("writes a certificate whose accuracies fall with the radius", () => {
    const out = join(folder, "certificate.json");
    const words = ["certify", join(runFolder, "model.onnx"), "--data", "iris", "--radii", "0,0.1,0.5", "--out", out];
    const { status, stdout } = lipschitz(...words, "--json");
    expect(status).toBe(0);
    const { checked, ...certificate } = JSON.parse(stdout);
    expect(checked).toMatchObject({ open: [], batches: [1, 3] });
    expect(JSON.parse(readFileSync(out, "utf8"))).toEqual(certificate);
    const parts = certificate.certified.map((c: { accuracy: number }) => c.accuracy);
    expect(parts).toEqual([...parts].sort((a, b) => b - a));
    expect(parts[0]).toBeLessThanOrEqual(certificate.accuracy);
    expect(certificate.samples).toHaveLength(30);
  });
});

describe("attack", () => {
  const model = join(runFolder, "model.onnx");
  const certificate = join(folder, "attacked.json");
  const fast = ["--data", "iris", "--samples", "20", "--attack", "fgsm,pgd", "--steps", "10"];

  beforeAll(() => {
    expect(lipschitz("certify", model, "--data", "iris", "--out", certificate, "--quiet").status).toBe(0);
  });

  it("prints what is left standing, never less than is certified, and keeps the perturbed samples", () => {
    const examples = join(folder, "examples.npy");
    const { status, stdout, stderr } = lipschitz(
      "attack",
      model,
      ...fast,
      "--certificate",
      certificate,
      "--examples",
      examples,
      "--json",
    );
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const attacked = JSON.parse(stdout);
    const { samples } = JSON.parse(readFileSync(certificate, "utf8"));
    expect(attacked.violations).toEqual([]);
    expect(attacked.samples).toHaveLength(20);
    attacked.robust.forEach(({ radius, accuracy }: { radius: number; accuracy: number }) => {
      const certified = samples
        .slice(0, 20)
        .filter(
          (s: { label: number; predicted: number; radius: number }) => s.label === s.predicted && s.radius >= radius,
        );
      expect(accuracy).toBeGreaterThanOrEqual(certified.length / 20);
      expect(accuracy).toBeLessThanOrEqual(attacked.accuracy);
    });
    expect(attacked.robust.at(-1).accuracy).toBeLessThan(attacked.accuracy);
    const stored = parseNpy("examples.npy", readFileSync(examples));
    expect(stored.shape).toEqual([20, 4]);
    expect(attacked.protocol.attacks[1]).toMatchObject({ name: "pgd", steps: 10 });
  });

  it("prints the protocol to the letter", () => {
    const { stdout } = lipschitz("attack", model, ...fast, "--norm", "inf", "--radii", "0.02");
    expect(stdout).toMatch(/pgd: cross-entropy, 1 run of 10 steps of 0.25 x radius along the sign of the gradient/);
    expect(stdout).toMatch(/all: linf, radii 0.02; perturbed samples not clipped; .*seed 1/);
  });

  it("exits 3 and shouts where a certificate is false", () => {
    const planted = join(folder, "planted.json");
    const text = JSON.parse(readFileSync(certificate, "utf8"));
    const samples = text.samples.map((s: { radius: number }) => ({ ...s, radius: 50 * s.radius }));
    writeFileSync(planted, JSON.stringify({ ...text, samples }));
    const { status, stdout, stderr } = lipschitz("attack", model, ...fast, "--certificate", planted);
    expect(stderr).toMatch(/^lipschitz: ALARM: .*a proved bound is wrong/);
    expect(stdout).toMatch(/ALARM: \d+ decisions changed inside their certified radius/);
    expect(status).toBe(3);
  });

  it("takes a certificate of the first samples, and no other ones", () => {
    const part = join(folder, "part");
    const small = ["--data", "iris", "--epochs", "1", "--widths", "4", "--batch", "16", "--radii", "0.1"];
    expect(lipschitz("train", "plain", ...small, "--test-samples", "10", "--out", part, "--quiet").status).toBe(0);
    const first = ["attack", join(part, "model.onnx"), "--data", "iris", "--attack", "deepfool", "--certificate"];
    const { status, stdout } = lipschitz(...first, join(part, "certificate.json"), "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ data: { samples: 10 }, violations: [] });
    const text = JSON.parse(readFileSync(join(part, "certificate.json"), "utf8"));
    const fewer = join(folder, "fewer.json");
    writeFileSync(fewer, JSON.stringify({ ...text, data: { ...text.data, samples: 9 } }));
    expect(lipschitz(...first, fewer).stderr).toContain("is on other data");
  });

  it("refuses a certificate of something else", () => {
    const other = join(folder, "other.json");
    const text = JSON.parse(readFileSync(certificate, "utf8"));
    writeFileSync(other, JSON.stringify({ ...text, sha256: "0" }));
    expect(lipschitz("attack", model, ...fast, "--certificate", other)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("is of another model"),
    });
    writeFileSync(other, JSON.stringify({ ...text, samples: [{ index: 0 }] }));
    expect(lipschitz("attack", model, ...fast, "--certificate", other)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("$.samples[0]: must hold index, predicted and radius"),
    });
    expect(lipschitz("attack", model, ...fast, "--norm", "inf", "--certificate", certificate).stderr).toMatch(
      /--norm inf: the certificate is in l2/,
    );
  });
});

describe("the file against the runtime", () => {
  const small = join(folder, "held.onnx");
  const data = join(folder, "held.csv");

  beforeAll(() => {
    writeFileSync(small, controller());
    writeFileSync(data, "0.1,0.2,-0.3,0\n0.5,0,1,1\n-1,2,0.5,0\n".repeat(8));
  });

  it.each([
    ["bound", "--method", "autolip"],
    ["certify", "--data", data],
    ["attack", "--data", data, "--attack", "fgsm"],
    ["curvature", "--samples", "3"],
  ])("%s says that it was held, or that it was not", (command, ...words) => {
    const { checked } = JSON.parse(lipschitz(command, small, ...words, "--json").stdout);
    expect(checked).toMatchObject({ nodes: 3, open: [], batches: [1] });
    expect(checked.runtime).toMatch(/^onnxruntime-node /);
    expect(JSON.parse(lipschitz(command, small, ...words, "--no-check", "--json").stdout).checked).toBe(false);
    expect(lipschitz(command, small, ...words).stdout).not.toMatch(/runtime/);
    expect(lipschitz(command, small, ...words, "--no-check").stdout).toMatch(
      /\nNot held against the runtime \(--no-check\)/,
    );
  });

  it("is exit 2 where the runtime does not take it, with the remedy", () => {
    const wide = join(folder, "wide.onnx");
    const double = 11;
    const inputs = { x: [1, 2, 3, 3] };
    writeFileSync(wide, modelOf({ type: double, inputs, nodes: [{ op: "GlobalMaxPool", in: ["x"] }] }));
    const { status, stderr } = lipschitz("bound", wide, "--method", "autolip");
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /wide\.onnx: the runtime does not take the file: .*--no-check takes the graph as it was read/,
    );
    expect(lipschitz("bound", wide, "--method", "autolip", "--no-check").status).toBe(0);
  });

  it("is exit 2 for certify and attack where samples of a batch act on each other, and bound says that it speaks of one", () => {
    const crossing = join(folder, "crossing.onnx");
    const nodes = [
      { op: "Softmax", name: "soft", in: ["x"], out: ["h"], attributes: { axis: 0 } },
      { op: "MatMul", in: ["h", "w"] },
    ];
    writeFileSync(
      crossing,
      modelOf({ inputs: { x: ["n", 3] }, nodes, tensors: { w: normalTensor(random(2), [3, 2]) } }),
    );
    for (const command of ["certify", "attack"]) {
      const { status, stderr } = lipschitz(command, crossing, "--data", data);
      expect(status).toBe(2);
      expect(stderr).toMatch(/must not depend on the batch around it: node soft: samples of one batch meet there/);
    }
    const { status, stdout } = lipschitz("bound", crossing, "--method", "autolip");
    expect(status).toBe(0);
    expect(stdout).toMatch(/\nIn a batch of one only: .*\(node soft: /);
  });
});

describe("verify", () => {
  const model = join(runFolder, "model.onnx");
  const out = join(folder, "checked.json");

  it("accepts what certify wrote", () => {
    expect(lipschitz("certify", model, "--data", "iris", "--out", out, "--quiet").status).toBe(0);
    const { status, stdout } = lipschitz("verify", out, model, "--data", "iris", "--json");
    expect(status).toBe(0);
    const { holds, checks } = JSON.parse(stdout);
    expect(holds).toBe(true);
    expect(checks.map((c: { what: string }) => c.what)).toContain("samples");
  });

  it("exits with 3 where a digit was altered", () => {
    const altered = join(folder, "altered.json");
    writeFileSync(altered, readFileSync(out, "utf8").replace('"margin": ', '"margin": 1'));
    const { status, stderr } = lipschitz("verify", altered, model);
    expect(status).toBe(3);
    expect(stderr).toMatch(/does not hold: certificate: /);
  });

  it("says first what it did not check without data, and exits with 0 only where that was meant", () => {
    const forgotten = lipschitz("verify", out, model);
    expect(forgotten.status).toBe(1);
    expect(forgotten.stdout).toMatch(/^Not checked: .*classes, margins and radii of the samples\.\nok /);
    expect(forgotten.stderr).toMatch(/the samples were not checked: missing --data D; --no-data/);
    const meant = lipschitz("verify", out, model, "--no-data", "--json");
    expect(meant.status).toBe(0);
    expect(JSON.parse(meant.stdout)).toMatchObject({
      holds: true,
      outcome: "holds",
      unchecked: [/./, /./].map(() => expect.any(String)),
    });
    const with_ = JSON.parse(lipschitz("verify", out, model, "--data", "iris", "--json").stdout);
    expect(with_).toMatchObject({ outcome: "holds", unchecked: [] });
  });

  it("cannot check what has no witness: exit 2, and nothing said against it", () => {
    const without = join(folder, "unverifiable.json");
    const soft = join(folder, "soft.onnx");
    // Lengths of pairs, which the checker does not read.
    writeFileSync(
      soft,
      modelOf({
        opset: 13,
        inputs: { x: ["n", 4] },
        tensors: { w: normalTensor(random(1), [4, 6]), pairs: tensor([-1, 3, 2], [3], "int64") },
        nodes: [
          { op: "MatMul", in: ["x", "w"], out: ["h"] },
          { op: "Reshape", in: ["h", "pairs"], out: ["p"] },
          { op: "ReduceL2", in: ["p"], attributes: { axes: [2], keepdims: 0 } },
        ],
      }),
    );
    expect(lipschitz("certify", soft, "--data", "iris", "--out", without, "--quiet").status).toBe(0);
    for (const data of [["--data", "iris"], ["--no-data"], []]) {
      const { status, stdout, stderr } = lipschitz("verify", without, soft, ...data);
      expect(status).toBe(2);
      expect(stdout).toMatch(/The certificate cannot be checked; /);
      expect(stdout + stderr).not.toMatch(/does not hold|FAIL/);
      expect(stderr).toMatch(/cannot be checked: it has no witness: /);
    }
  });
});

describe("report", () => {
  it("draws again, from the files alone, what train drew", () => {
    const images = join(folder, "images");
    const words = ["--train-samples", "300", "--test-samples", "20", "--epochs", "2", "--widths", "8", "--quiet"];
    expect(lipschitz("train", "plain", ...words, "--out", images).status).toBe(0);
    const again = join(folder, "again.html");
    const { status, stdout } = lipschitz("report", images, "--out", again, "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ report: again, runs: 1 });
    const text = readFileSync(again, "utf8");
    expect(text).toBe(readFileSync(join(images, "report.html"), "utf8"));
    expect(text.match(/data:image\/png/g)?.length).toBeGreaterThanOrEqual(3);
  });

  it("of what is no run: exit 2", () => {
    expect(lipschitz("report", folder).stderr).toMatch(/record\.json: no such file/);
    const strange = join(folder, "strange");
    mkdirSync(strange, { recursive: true });
    writeFileSync(join(strange, "record.json"), '{"tool":{}}');
    const { status, stderr } = lipschitz("report", strange);
    expect(stderr).toMatch(/^lipschitz: .*record\.json: \$\.tool\.name: must be .*; is it a record/);
    expect(status).toBe(2);
  });
});

describe("wrong use", () => {
  const cases: [string, string[], number, RegExp][] = [
    ["an unknown command", ["fly"], 1, /unknown command "fly"/],
    ["an unknown option", ["bound", "x.onnx", "--norn", "2"], 1, /unknown option --norn/],
    ["an unknown method", ["compare", "--methods", "magic"], 1, /unknown "magic"; known: plain/],
    ["a missing model", ["bound", "none.onnx"], 2, /none\.onnx: no such file/],
    [
      "a negative radius",
      ["certify", "x.onnx", "--data", "digits", "--radii=-1"],
      1,
      /--radii: must be a number >= 0, got "-1"/,
    ],
    [
      "epochs that are no number",
      ["compare", "--epochs", "many"],
      1,
      /--epochs: must be a whole number >= 1, got "many"/,
    ],
    ["an unknown data set", ["train", "plain", "--data", "nothing", "--out", "o"], 1, /nothing/],
    [
      "a sample number of nothing",
      ["curvature", "x.onnx", "--samples", "0"],
      1,
      /--samples: must be a whole number >= 1/,
    ],
    ["a missing --out", ["train", "plain"], 1, /missing --out/],
    ["a missing method", ["train", "--out", "o"], 1, /missing METHOD/],
    ["a stray argument", ["curvature", "a.onnx", "b.onnx"], 1, /unexpected argument "b\.onnx"/],
    ["a norm that is none", ["bound", "a.onnx", "--norm", "3"], 1, /: --norm: must be one of 2, 1, inf, got "3"$/m],
    ["no model", ["bound"], 1, /: missing MODEL; see --help$/m],
    ["a folder for a model", ["bound", "."], 2, /: \.: it is a folder/],
    ["a folder for a file", ["certify", "x.onnx", "--data", "digits", "--out", "."], 1, /--out \.: must be a file/],
    ["no seeds", ["compare", "--seeds", "0"], 1, /--seeds: must be a whole number >= 1/],
    [
      "classes where there are none",
      ["train", "plain", "--data", "square-wave", "--loss", "cross-entropy", "--out", "o"],
      1,
      /loss: cross-entropy needs classes, and square-wave is a regression; use squared-error/,
    ],
    [
      "a method that needs classes, before others have run",
      ["compare", "--data", "square-wave", "--methods", "plain,lmt", "--out", "o"],
      1,
      /method: lmt needs classes/,
    ],
    [
      "more samples than there are",
      ["train", "plain", "--train-samples", "9999", "--out", "o"],
      1,
      /samples of digits must be 1\.\.5000, got 9999/,
    ],
    ["a folder that is no run", ["report", "."], 2, /is \. a folder that train or compare wrote\?/],
  ];
  it.each(cases)("%s: one clear line", (_, words, code, message) => {
    const { status, stdout, stderr } = lipschitz(...words);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stdout).toBe("");
    expect(status).toBe(code);
    expect(existsSync(join(folder, "o"))).toBe(false);
  });

  it("a corrupt model: exit 2", () => {
    const path = join(folder, "corrupt.onnx");
    const bytes = readFileSync(join(runFolder, "model.onnx"));
    writeFileSync(path, bytes.subarray(0, bytes.length / 2));
    const { status, stderr } = lipschitz("bound", path);
    expect(stderr).toContain("corrupt.onnx");
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(status).toBe(2);
  });

  it("a folder that cannot be made: exit 1 before any work", () => {
    writeFileSync(join(folder, "file"), "");
    const { status, stderr } = lipschitz("train", "plain", "--out", join(folder, "file", "below"));
    expect(stderr).toMatch(/the folder cannot be written/);
    expect(status).toBe(1);
  });

  it("a model whose input does not fit the data: one line", () => {
    const { status, stderr } = lipschitz("certify", join(runFolder, "model.onnx"), "--data", "digits");
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(/must fit its input \[batch,4\], got \[1,28,28\]/);
    expect(status).toBe(1);
  });
});
