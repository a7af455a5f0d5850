/** @file `lipschitz train --from`: a file goes on training, comes out as the same file, and is rescaled to a proved constant; and what is refused, in one line. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ModelProtoSchema } from "../../src/onnx/proto.ts";
import { commandLineIn } from "../commandLine.ts";
import { modelOf } from "../model.ts";
import { retrofitModel } from "../retrofitModel.ts";

const folder = mkdtempSync(join(tmpdir(), "retrofit-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lipschitz = commandLineIn(folder);

const bytesOf = (file: string): Uint8Array => new Uint8Array(readFileSync(join(folder, file)));
const modelIn = (file: string) => fromBinary(ModelProtoSchema, bytesOf(file));
const jsonOf = (file: string) => JSON.parse(readFileSync(join(folder, file), "utf8"));
const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** A file for one sample at a time, as many exporters write it, whose input is in tenths. */
beforeAll(() => {
  writeFileSync(join(folder, "net.onnx"), retrofitModel(1));
  writeFileSync(join(folder, "other.onnx"), retrofitModel("N"));
  writeFileSync(join(folder, "none.onnx"), modelOf({ inputs: { x: ["N", 4] }, nodes: [{ op: "Relu", in: ["x"] }] }));
});

const short = ["--data", "iris", "--test-samples", "6", "--batch", "20"];

describe("train METHOD --from", () => {
  it("trains, stops, goes on, and writes the file that it came from with other numbers", () => {
    const words = [
      "train",
      "weight-decay",
      "--from",
      "net.onnx",
      ...short,
      "--scale",
      "0.5",
      "--freeze",
      "fc1.*",
      "--out",
      "run",
    ];
    const first = lipschitz(...words, "--epochs", "1", "--quiet");
    expect([first.status, first.stderr]).toEqual([0, ""]);
    const record = jsonOf("run/record.json");
    const origin = sha(bytesOf("net.onnx"));
    expect(record.spec.model).toEqual({ kind: "onnx", file: "net.onnx", sha256: origin, freeze: ["fc1.*"] });
    expect(record.preprocessing).toEqual({ scale: 0.5 });
    expect(record.model.sha256).toBe(sha(bytesOf("run/model.onnx")));
    expect(record.model.exportCheck.largestDifference).toBeLessThan(1e-5);

    const moved = lipschitz("train", "--resume", "run", "--from", "other.onnx", "--epochs", "2");
    expect(moved.status).toBe(2);
    expect(moved.stderr).toMatch(
      /^lipschitz: other\.onnx: must be the file that the checkpoint began with \(sha256 \w{16}\.\.\.\), got another/,
    );
    const second = lipschitz("train", "--resume", "run", "--epochs", "2", "--quiet");
    expect([second.status, second.stderr]).toEqual([0, ""]);
    expect(jsonOf("run/record.json").epochs).toHaveLength(2);

    const [old, made] = [modelIn("net.onnx"), modelIn("run/model.onnx")];
    expect(made.graph?.node).toEqual(old.graph?.node);
    expect(made.graph?.input).toEqual(old.graph?.input);
    expect(made.graph?.output).toEqual(old.graph?.output);
    expect(made.metadataProps.map(({ key, value }) => [key, value])).toEqual([["lipschitz.origin.sha256", origin]]);
    const stays = (old.graph?.initializer ?? []).map((t, i) => {
      const own = made.graph?.initializer[i];
      expect(own?.name).toBe(t.name);
      return [t.name, Buffer.compare(t.rawData, own?.rawData ?? new Uint8Array()) === 0] as const;
    });
    const frozen = ["fc1.weight", "fc1.bias", "bn.mean", "bn.var"];
    expect(stays.filter(([, same]) => same).map(([name]) => name)).toEqual(frozen);

    // The same units as before: certify takes the same --scale, and finds what the record says.
    const found = lipschitz("verify", "run/certificate.json", "--model", "run/model.onnx", "--data", "iris", "--json");
    expect([found.status, found.stderr]).toEqual([0, ""]);
    expect(jsonOf("run/certificate.json").preprocessing).toEqual({ scale: 0.5 });
  });

  it("rescales to a proved constant without training", () => {
    const words = ["train", "--from", "net.onnx", "--project", "0.05", "--data", "iris", "--out", "small", "--json"];
    const { status, stdout, stderr } = lipschitz(...words);
    expect([status, stderr]).toEqual([0, ""]);
    const record = jsonOf("small/project.json");
    expect(JSON.parse(stdout)).toEqual(record);
    expect(record).toMatchObject({ gamma: 0.05, spread: "last", origin: { sha256: sha(bytesOf("net.onnx")) } });
    expect(record.after.value).toBeLessThanOrEqual(0.05);
    expect(record.accuracy.after).toBe(record.accuracy.before);
    expect(modelIn("small/model.onnx").graph?.node).toEqual(modelIn("net.onnx").graph?.node);
  });

  it.each([
    [
      ["plain", "--from", "none.onnx", "--data", "iris"],
      "none.onnx: there must be floating-point initialisers to train, got none: it has no floating-point initialisers",
    ],
    [["plain", "--from", "net.onnx", "--data", "two-moons"], "net.onnx: samples must fit its input [1,4], got [2]"],
    [
      ["plain", "--from", "net.onnx", "--data", "iris", "--freeze", "conv*"],
      'net.onnx: no initialiser is called "conv*"; there are fc1.weight, fc1.bias, bn.weight, bn.bias, fc2.weight, fc2.bias, bn.mean, bn.var',
    ],
    [
      ["lbdn", "--from", "net.onnx", "--data", "iris"],
      "net.onnx: a network that is there keeps its layers, and sandwich layers are others; train one from the start (--model), or take another method",
    ],
    [["plain", "--from", "net.onnx", "--project", "1"], "--project: nothing is trained; leave METHOD out, got plain"],
    [["--from", "net.onnx", "--project", "1", "--epochs", "2"], "--project: nothing is trained; leave --epochs out"],
  ])("refuses %j", (words, line) => {
    const { status, stdout, stderr } = lipschitz("train", ...words, "--out", "refused");
    expect([status, stdout, stderr]).toEqual([1, "", `lipschitz: ${line}\n`]);
  });
});
