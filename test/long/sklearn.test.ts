/** @file Models that scikit-learn exports (test/fixtures/sklearn/make.py), as a person has them: certified from the command line, and refused in words that say why. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const folder = fileURLToPath(new URL("../fixtures/sklearn/", import.meta.url));

const lipschitz = (...words: string[]) =>
  spawnSync(process.execPath, [program, ...words], { encoding: "utf8", cwd: folder });

const certified = (model: string, data: string, radius: string) => {
  const words = ["certify", model, "--data", data, "--radii", radius, "--local=off", "--json"];
  const { status, stdout, stderr } = lipschitz(...words);
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
};

describe("certify on exports of scikit-learn", () => {
  it.each([
    ["logistic.onnx", "a scaler, a linear classifier, a softmax that is brought to 1 once more, a list of maps"],
    ["words.onnx", "labels that are words"],
    ["mlp.onnx", "a perceptron, and words looked up by the largest"],
  ])("%s: %s", (model) => {
    const { accuracy, certified: curve, checked, samples } = certified(model, "iris.csv", "0.1");
    expect(accuracy).toBeGreaterThanOrEqual(0.9);
    expect(curve[0].accuracy).toBeGreaterThan(0.6);
    expect(checked.open).toEqual([]);
    expect(checked.whole).toBe(true);
    expect(samples).toHaveLength(50);
  });

  it.each(["logistic.onnx", "words.onnx", "mlp.onnx"])("%s has a certificate that verify accepts", (model) => {
    const folder = mkdtempSync(join(tmpdir(), "lipschitz-"));
    const out = join(folder, "certificate.json");
    const made = lipschitz("certify", model, "--data", "iris.csv", "--radii", "0.1", "--out", out);
    expect([made.status, made.stderr]).toEqual([0, ""]);
    const verdict = lipschitz("verify", out, model, "--data", "iris.csv", "--json");
    rmSync(folder, { recursive: true });
    expect(verdict.status).toBe(0);
    expect(JSON.parse(verdict.stdout).outcome).toBe("holds");
  });

  it("a classifier without a constant has radii by the walk around each sample", () => {
    const words = ["certify", "lengths.onnx", "--data", "iris.csv", "--radii", "0.1", "--json"];
    const { constant, certified: curve, samples } = JSON.parse(lipschitz(...words).stdout);
    expect(constant.value).toBeNull();
    expect(curve[0].accuracy).toBeGreaterThan(0.5);
    expect(new Set(samples.map((s: { by: string }) => s.by))).toEqual(new Set(["linear"]));
  });

  it("an SVM of two classes decides as its label says, whose scores have the signs the other way round", () => {
    const words = ["certify", "svc.onnx", "--data", "two.csv", "--radii", "0.05", "--json"];
    const { accuracy, certified: curve } = JSON.parse(lipschitz(...words).stdout);
    expect(accuracy).toBeGreaterThanOrEqual(0.9);
    expect(curve[0].accuracy).toBeGreaterThan(0.5);
  });
});

describe("bound on exports of scikit-learn", () => {
  it.each(["ridge.onnx", "svr.onnx", "rest.onnx"])("%s has a bracket on a box", (model) => {
    const box = model === "rest.onnx" ? "4:6,2.5:4,3:5,1:2" : "4:6,2.5:4,3:5";
    const words = ["bound", model, `--box=${box}`, "--method", "autolip,pairs", "--seconds", "5", "--json"];
    const { lower, upper } = JSON.parse(lipschitz(...words).stdout);
    expect(lower.value).toBeGreaterThan(0.1);
    expect(upper.proved).toBe(true);
    expect(upper.value).toBeGreaterThanOrEqual(lower.value);
  });

  it("refuses what has no constant, and says why", () => {
    const forest = lipschitz("bound", "forest.onnx");
    expect(forest.status).toBe(2);
    expect(forest.stderr).toMatch(/a tree is a step function: it has no Lipschitz constant/);
    const votes = lipschitz("bound", "svc3.onnx");
    expect(votes.status).toBe(2);
    expect(votes.stderr).toMatch(/more than two classes are decided by votes of pairs, which jump/);
  });
});
