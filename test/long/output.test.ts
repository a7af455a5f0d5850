/** @file Files that commands write, wherever --out leads: whole or not at all, through what is no file, at the end of a link; and what is printed of names out of files. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openFile, openFolder, writeWhole } from "../../src/cli/output.ts";
import { commandLineIn } from "../commandLine.ts";
import { modelOf } from "../model.ts";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-output-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fresh = (name: string): string => {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
};

const lipschitz = commandLineIn(folder);

const posix = it.skipIf(process.platform === "win32");
const linux = it.skipIf(process.platform !== "linux");

describe("writeWhole()", () => {
  it("replaces a file whole and leaves nothing beside it, with the mode that it had", async () => {
    const own = fresh("replace");
    const path = join(own, "a.json");
    writeFileSync(path, "old", { mode: 0o640 });
    await writeWhole(path, "new");
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(readdirSync(own)).toEqual(["a.json"]);
    if (process.platform !== "win32") expect(lstatSync(path).mode & 0o777).toBe(0o640);
  });

  posix("replaces what a link leads to, not the link, also where nothing is there yet", async () => {
    const own = fresh("links");
    mkdirSync(join(own, "real"));
    writeFileSync(join(own, "real", "a"), "old");
    symlinkSync(join("real", "a"), join(own, "relative"));
    symlinkSync(join(own, "real", "new"), join(own, "dangling"));
    symlinkSync("dangling", join(own, "twice"));
    await writeWhole(join(own, "relative"), "1");
    await writeWhole(join(own, "twice"), "2");
    expect(readFileSync(join(own, "real", "a"), "utf8")).toBe("1");
    expect(readFileSync(join(own, "real", "new"), "utf8")).toBe("2");
    for (const name of ["relative", "dangling", "twice"])
      expect(lstatSync(join(own, name)).isSymbolicLink()).toBe(true);
    expect(readdirSync(join(own, "real")).sort()).toEqual(["a", "new"]);
    symlinkSync("circle", join(own, "circle"));
    await expect(writeWhole(join(own, "circle"), "")).rejects.toThrow(/circle: cannot be written: its links go round/);
  });

  posix("writes through a pipe and a device", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const reader = spawn("cat", [pipe]);
    const read = new Promise<string>((resolve) => {
      let text = "";
      reader.stdout.on("data", (piece: Buffer) => {
        text += piece.toString();
      });
      reader.on("close", () => resolve(text));
    });
    await openFile(pipe);
    await writeWhole(pipe, "through");
    expect(await read).toBe("through");
    expect(lstatSync(pipe).isFIFO()).toBe(true);
    await writeWhole("/dev/null", "nothing");
    expect(lstatSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  linux("names the file where the disk is full", async () => {
    await expect(writeWhole("/dev/full", "x")).rejects.toThrow("/dev/full: cannot be written: no space left");
  });

  it("says of a folder that it is one, and of a file that it is no folder", async () => {
    const own = fresh("kinds");
    await expect(openFile(own)).rejects.toThrow(/--out .*kinds: must be a file, got a folder/);
    await expect(writeWhole(own, "x")).rejects.toThrow(/kinds: cannot be written: it is a folder/);
    writeFileSync(join(own, "a"), "");
    await expect(openFile(join(own, "a", "b"))).rejects.toThrow(/a part of the path is not a folder/);
    await openFile(join(own, "new", "folders", "b"));
    expect(existsSync(join(own, "new", "folders"))).toBe(true);
  });

  it("removes what a process that is no more has left half-written, and nothing else", async () => {
    const own = fresh("stale");
    const dead = spawnSync(process.execPath, ["-e", ""]).pid;
    const kept = [`.${hostname()}-${process.pid}-1.part`, `.elsewhere-${dead}-1.part`, "mine.part", ".notes"];
    for (const name of [...kept, `.${hostname()}-${dead}-12345.part`, `.${dead}-12345.part`]) {
      writeFileSync(join(own, name), "");
    }
    await openFolder(own);
    expect(readdirSync(own).sort()).toEqual([...kept].sort());
  });
});

/** A name that clears the screen, turns text around, and says on a line of its own what is not so. */
const hostile = "evil\u001b[2J\u009b31m\u202e\nThe certificate holds";
const shown = "evil\\u{1b}[2J\\u{9b}31m\\u{202e}\\nThe certificate holds";
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const control = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

describe("names out of files", () => {
  const model = join(folder, "hostile.onnx");
  const unsupported = join(folder, "unsupported.onnx");
  const weight = { dtype: "float32", shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) } as const;

  beforeAll(() => {
    const layer = { op: "MatMul", in: ["x", "w"], out: ["y"], name: hostile };
    writeFileSync(model, modelOf({ inputs: { x: [1, 3] }, nodes: [layer], tensors: { w: weight } }));
    const unknown = { op: `No${hostile}`, in: ["x"], out: ["y"], name: hostile };
    writeFileSync(unsupported, modelOf({ inputs: { x: [1, 3] }, nodes: [unknown] }));
  });

  it("are shown in tables", () => {
    const { stdout, status } = lipschitz("bound", model, "--method", "autolip");
    expect(status).toBe(0);
    expect(stdout).toContain(shown);
    expect(stdout).not.toMatch(control);
    expect(stdout.split("\n")).not.toContain("The certificate holds");
  });

  it("are printable as JSON", () => {
    const { stdout } = lipschitz("bound", model, "--method", "autolip", "--json");
    expect(stdout).not.toMatch(control);
    expect(JSON.parse(stdout).layers[0].node).toBe(shown);
  });

  it("are shown in errors, a line for each node", () => {
    const { stderr, status } = lipschitz("bound", unsupported);
    expect(status).toBe(2);
    expect(stderr).toContain(shown);
    expect(stderr).not.toMatch(control);
    expect(stderr.trimEnd().split("\n")).toHaveLength(2);
  });

  it.each(["bound", "certify", "attack", "curvature", "report", "run", "verify"])(
    "are shown where %s cannot find a file of that name",
    (command) => {
      const path = join(folder, hostile);
      const words = command === "verify" ? [path, path] : [path];
      const data = ["certify", "attack"].includes(command) ? ["--data", "digits"] : [];
      const { stdout, stderr, status } = lipschitz(command, ...words, ...data);
      expect(status).toBe(2);
      expect(stdout + stderr).not.toMatch(control);
      expect(stderr.trimEnd().split("\n")).toHaveLength(1);
      expect(stderr).toContain(shown);
    },
  );

  it("are shown where a certificate holds them", () => {
    const forged = join(folder, "forged.json");
    writeFileSync(forged, JSON.stringify({ [hostile]: 1, norm: hostile, model: hostile }));
    const { stdout, stderr } = lipschitz("verify", forged, model);
    expect(stdout + stderr).not.toMatch(control);
    expect((stdout + stderr).split("\n")).not.toContain("The certificate holds");
  });
});

describe("--out", () => {
  const model = join(folder, "plain.onnx");
  const data = join(folder, "data.csv");
  const certify = (...words: string[]) => ["certify", model, "--data", data, "--radii", "0.1", ...words];

  beforeAll(() => {
    const weight = { dtype: "float32", shape: [2, 2], data: Float32Array.of(1, 2, -3, 4) } as const;
    const layer = { op: "MatMul", in: ["x", "w"], out: ["y"], name: "layer" };
    writeFileSync(model, modelOf({ inputs: { x: [1, 2] }, nodes: [layer], tensors: { w: weight } }));
    const rows = Array.from({ length: 20 }, (_, i) => `${i % 5},${(i * i) % 7},${i % 2}`);
    writeFileSync(data, `a,b,label\n${rows.join("\n")}\n`);
  });

  posix("/dev/stdout is the program's own output, piped or in a file", () => {
    const piped = lipschitz(...certify("--out", "/dev/stdout", "--quiet"));
    expect(piped.stderr).toBe("");
    expect(JSON.parse(piped.stdout).norm).toBe("2");
    const words = [process.execPath, program, ...certify("--out", "/dev/stdout")].map((w) => `'${w}'`).join(" ");
    execFileSync("sh", ["-c", `echo before > out.txt; ${words} >> out.txt`], { cwd: folder });
    const text = readFileSync(join(folder, "out.txt"), "utf8");
    expect(text).toMatch(/^before\n\{/);
    // The table, which is printed after it, has not been written over it.
    expect(text).toMatch(/\}\n\d+ samples of \S+\naccuracy/);
  });

  linux("a full disk ends with one line, on either side", () => {
    const out = lipschitz(...certify("--out", "/dev/full"));
    expect(out.stderr).toBe("lipschitz: /dev/full: cannot be written: no space left\n");
    expect(out.status).toBe(1);
    const words = [process.execPath, program, ...certify()].map((w) => `'${w}'`).join(" ");
    const printed = spawnSync("sh", ["-c", `${words} > /dev/full`], { encoding: "utf8" });
    expect(printed.stderr).toBe("lipschitz: stdout: cannot be written: no space left\n");
    expect(printed.status).toBe(1);
  });
});
