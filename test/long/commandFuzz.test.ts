/** @file Commands given random words: legal and illegal options, hostile file names, broken files. Every failure is said in clear lines, and no command ends well with nothing said. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandDef, runCommand } from "citty";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { attack } from "../../src/cli/commands/attack.ts";
import { bound } from "../../src/cli/commands/bound.ts";
import { certify } from "../../src/cli/commands/certify.ts";
import { check } from "../../src/cli/commands/check.ts";
import { curvature } from "../../src/cli/commands/curvature.ts";
import { explain } from "../../src/cli/commands/explain.ts";
import { gain } from "../../src/cli/commands/gain.ts";
import { rank } from "../../src/cli/commands/rank.ts";
import { report } from "../../src/cli/commands/report.ts";
import { verify } from "../../src/cli/commands/verify.ts";
import { describeFailure } from "../../src/cli/errors.ts";
import { constant, input } from "../../src/graph/leaf.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { tanh } from "../../src/ops/pointwise.ts";
import { normalTensor, type Random, random } from "../../src/tensor/random.ts";

const folder = mkdtempSync(join(tmpdir(), "lipschitz-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const put = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

const source = random(7);
const weights = [normalTensor(source, [3, 5]), normalTensor(source, [5, 2])];
const model = writeModel({ y: matmul(tanh(matmul(input("x", [1, 3]), constant(weights[0]))), constant(weights[1])) });
const good = put("model.onnx", model);
const samples = put("samples.csv", "a,b,c,label\n0.1,0.2,0.3,0\n-1,0.5,2,1\n0,0,0,1\n");
const property = put("property.vnnlib", "(declare-const X_0 Real)\n(assert (<= X_0 1))\n");
mkdirSync(join(folder, "dir"));
mkdirSync(join(folder, "run"));
put("run/record.json", '{"tool":{"name":"lipschitz"},"spec":null}');
symlinkSync("loop", join(folder, "loop"));

const files: readonly string[] = [
  good,
  good,
  samples,
  property,
  put("empty", ""),
  put("half.onnx", model.slice(0, model.length / 2)),
  put(
    "noise.onnx",
    Uint8Array.from({ length: 300 }, () => source.integer(256)),
  ),
  put("red\u001b[31m\n.onnx", model),
  put("certificate.json", '{"norm":"2","sha256":"0","samples":[],"data":{"sha256":"1","samples":0,"shape":[3]}}'),
  put("deep.json", "[".repeat(20_000)),
  put("names.csv", "a,b\n\u001b]0;title\u0007,1\n"),
  join(folder, "dir"),
  join(folder, "run"),
  join(folder, "loop"),
  join(folder, "missing\u001b[2J"),
  "/dev/null",
  "",
];

const numbers = ["0", "1", "3", "-1", "1e999", "NaN", "0.5", "1e-320", "2,0.1", "", " ", "x", "999999999999999999999"];
const words = ["2", "inf", "1", "3", "all", "autolip,jacobian", "frobenius", "nothing", "pgd", "loss", "logit", "off"];
const boxes = ["-1,1", "0", "1,-1", "0,0,0:1,1,1", ",,", "[0,1]", "nan,nan"];

const commands = { bound, gain, certify, attack, rank, curvature, explain, check, verify, report } as const;
const options: readonly (readonly [string, readonly string[]])[] = [
  ["--seconds", ["0.05", ...numbers]],
  ["--norm", words],
  ["--method", words],
  ["--attack", words],
  ["--of", words],
  ["--local", words],
  ["--radii", numbers],
  ["--steps", numbers],
  ["--samples", numbers],
  ["--restarts", numbers],
  ["--max", numbers],
  ["--seed", numbers],
  ["--memory", [...numbers, "1kB", "4GB"]],
  ["--radius", numbers],
  ["--box", boxes],
  ["--center", [...boxes, ...files]],
  ["--shape", ["x=1,3", "x=1,4", "y=2", "=", "x=1,-3"]],
  ["--fix", ["x=0", "x=", "y=1.npy", "x=missing.npy"]],
  ["--scale", numbers],
  ["--mean", numbers],
  ["--std", numbers],
  ["--layout", ["nchw", "nhwc", "abc"]],
  ["--data", ["digits", samples, ...files]],
  ["--target", ["label", "a", "nobody", "\u001b[31m"]],
  ["--classes", ["a,b", ...files]],
  ["--out", [join(folder, "out.json"), "/dev/full", join(folder, "dir"), join(folder, "a/b\u001b[0m"), ""]],
  ["--witness", [join(folder, "w.json"), join(folder, "w.npy"), join(folder, "w.txt"), ""]],
  ["--certificate", files],
  ["--certify", [""]],
  ["--transform", ["rotation", "roll", "affine,rotation", ""]],
  ["--limit", ["rotation=3", "rotation", "dx=-1", "=", ""]],
  ["--top", numbers],
  ["--\u001b[31m", ["1"]],
];
const flags = ["--json", "--quiet", "--no-check", "--no-data", "--ignore-range", "--no-json", "--"];

function drawn(r: Random): readonly [keyof typeof commands, readonly string[]] {
  const pick = <T>(list: readonly T[]): T => list[r.integer(list.length)];
  const name = pick(Object.keys(commands) as (keyof typeof commands)[]);
  const said: string[] = [];
  const files1 = r.integer(10) < 7 ? good : pick(files);
  if (name === "verify") said.push(pick(files), files1);
  else if (name === "check") said.push(files1, pick([property, ...files]));
  else if (name === "report") said.push(pick(files));
  else said.push(files1);
  // What is asked of a whole data set takes long: three samples do.
  if (["certify", "attack", "rank", "explain"].includes(name) && r.integer(8) > 0)
    said.push("--data", samples, "--target", "label");
  for (let n = r.integer(4); n > 0; n--) {
    const [option, values] = pick(options);
    said.push(
      ...(r.integer(12) === 0 ? [option] : r.integer(2) === 0 ? [`${option}=${pick(values)}`] : [option, pick(values)]),
    );
  }
  if (r.integer(3) === 0) said.push(pick(flags));
  if (r.integer(15) === 0) said.splice(r.integer(said.length), 1);
  return [name, said];
}

/** Does a text hold what a terminal would act on? */
const acts = (text: string): boolean =>
  Array.from(text).some((c) => c !== "\n" && (c < " " || (c >= "\u007f" && c <= "\u009f")));

async function run(command: CommandDef, said: readonly string[]) {
  let out = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  try {
    await runCommand(command, { rawArgs: [...said] });
    return { out, failure: null };
  } catch (error) {
    return { out, failure: describeFailure(error) };
  } finally {
    write.mockRestore();
  }
}

describe("commands given random words", () => {
  it.each([0, 1, 2, 3])("fail in clear lines or say something: %i", async (seed) => {
    const r = random(seed).fork("commands");
    vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    let failed = 0;
    for (let k = 0; k < 100; k++) {
      const [name, said] = drawn(r);
      const { out, failure } = await run(commands[name] as unknown as CommandDef, said);
      const asked = `${name} ${JSON.stringify(said)}`;
      expect(acts(out), asked).toBe(false);
      if (!failure) {
        expect(out.trim() !== "" || said.includes("--quiet"), asked).toBe(true);
        continue;
      }
      failed++;
      const { message, code } = failure;
      expect([1, 2, 3, 4], `${asked}: ${message}`).toContain(code);
      expect(message, asked).not.toMatch(/internal error|^undefined|\[object|TypeError|RangeError/);
      expect(message, asked).not.toMatch(/\n\s+at /);
      expect(acts(message), asked).toBe(false);
      // A list of nodes has a line for each; all else is one line.
      if (!/cannot be read/.test(message)) expect(message.split("\n").length, asked).toBe(1);
      expect(message.length, asked).toBeGreaterThan(10);
    }
    // Some are legal.
    expect(failed).toBeLessThan(100);
    expect(failed).toBeGreaterThan(20);
  });

  it("leave the model as it was", () => {
    expect(readFileSync(good)).toEqual(Buffer.from(model));
  });
});
