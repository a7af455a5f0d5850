import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RunSpec } from "../experiment/spec.ts";
import { tensor } from "../tensor/tensor.ts";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lipschitz-checkpoint-"));
  const state = { w: tensor([1, 2, 3, 4], [2, 2]), n: tensor([7], [1], "int64") };
  await saveCheckpoint(folder, { spec: {} as RunSpec, checkpoint: { epoch: 3, step: 12, state }, epochs: [] });
});
afterEach(() => rm(folder, { recursive: true }));

const change = async (alter: (manifest: { tensors: { shape: number[]; offset: number }[] }) => void) => {
  const path = join(folder, "checkpoint.json");
  const manifest = JSON.parse(await readFile(path, "utf8"));
  alter(manifest);
  await writeFile(path, JSON.stringify(manifest));
};

describe("loadCheckpoint()", () => {
  it("compares what the manifest names with the file before it makes arrays of that size", async () => {
    await change(({ tensors }) => {
      tensors[0].shape = [100_000, 100_000];
    });
    const before = process.memoryUsage().arrayBuffers;
    await expect(loadCheckpoint(folder)).rejects.toThrow(
      /\$\.tensors: they hold 40000000008 bytes, and .*weights-3\.bin has 24/,
    );
    await change(({ tensors }) => {
      tensors[0].shape = [2 ** 40, 2 ** 40];
    });
    await expect(loadCheckpoint(folder)).rejects.toThrow(/they hold .* bytes/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e7);
  });

  it("refuses a tensor beyond the end of the file, and a file that is cut short", async () => {
    await change(({ tensors }) => {
      tensors[1].offset = 20;
    });
    await expect(loadCheckpoint(folder)).rejects.toThrow(/"n" lies outside the weights/);
    await change(({ tensors }) => {
      tensors[1].offset = 16;
    });
    await truncate(join(folder, "weights-3.bin"), 23);
    await expect(loadCheckpoint(folder)).rejects.toThrow(/they hold 24 bytes, and .* has 23/);
  });
});
