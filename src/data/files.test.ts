/** @file Tests of files.ts, on small files written here and, where present, on the real MNIST. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { ReadError, UsageError } from "../tensor/errors.ts";
import { checkDataset } from "./dataset.ts";
import { dataFolders, loadDataset, loadParts, loadSamples } from "./files.ts";

const SHARED = "../shared/data";
const missing = !existsSync(`${SHARED}/mnist`);
if (missing) process.stderr.write(`files.test.ts: skipped loading MNIST: no folder ${SHARED}/mnist\n`);

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "files-"));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

const put = async (path: string, bytes: Uint8Array | string) => {
  const whole = join(folder, path);
  await mkdir(join(whole, ".."), { recursive: true });
  await writeFile(whole, bytes);
  return whole;
};

const idxImages = (n: number, side = 28) =>
  Uint8Array.of(
    0,
    0,
    8,
    3,
    0,
    0,
    0,
    n,
    0,
    0,
    0,
    side,
    0,
    0,
    0,
    side,
    ...Array.from({ length: n * side * side }, (_, i) => i % 256),
  );
const idxLabels = (...labels: number[]) => Uint8Array.of(0, 0, 8, 1, 0, 0, 0, labels.length, ...labels);

async function putMnist(where: string, side = 28) {
  await put(`${where}/train-images-idx3-ubyte.gz`, gzipSync(idxImages(3, side)));
  await put(`${where}/train-labels-idx1-ubyte.gz`, gzipSync(idxLabels(4, 0, 1)));
  await put(`${where}/t10k-images-idx3-ubyte`, idxImages(2, side));
  await put(`${where}/t10k-labels-idx1-ubyte`, idxLabels(2, 1));
}

/** A small .npy file of one dimension. */
function npy(descr: string, shape: string, values: ArrayBufferView): Uint8Array {
  const text = `${`{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117)}\n`;
  const body = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return Uint8Array.of(0x93, ...Buffer.from("NUMPY"), 1, 0, text.length, 0, ...Buffer.from(text), ...body);
}

describe("loadDataset() by name", () => {
  it.each(["digits", "iris", "square-wave", "two-moons"])("knows %s without any file", async (name) => {
    const { train, test } = await loadDataset(name);
    expect([train.name, test.name]).toEqual([name, name]);
    checkDataset(train);
    checkDataset(test);
  });

  it("hands the seed to the toy problems", async () => {
    const one = await loadDataset("square-wave", { seed: 1 });
    expect(await loadDataset("square-wave", { seed: 1 })).toEqual(one);
    expect((await loadDataset("square-wave")).train.x).not.toEqual(one.train.x);
  });

  it("finds IDX files, plain or gzip, below --data-dir and below $LIPSCHITZ_DATA", async () => {
    await putMnist("a/mnist");
    const { train, test } = await loadDataset("mnist", { dataDir: join(folder, "a") });
    expect([train.count, train.shape, train.classes, [...train.labels]]).toEqual([3, [1, 28, 28], 10, [4, 0, 1]]);
    expect([test.count, [...test.labels], test.range]).toEqual([2, [2, 1], [0, 1]]);
    vi.stubEnv("LIPSCHITZ_DATA", join(folder, "a"));
    expect(await loadDataset("mnist")).toEqual({ train, test });
  });

  it("looks in the folders in order, and passes over one that is not whole", async () => {
    await putMnist("whole/mnist");
    await put("part/mnist/train-images-idx3-ubyte.gz", gzipSync(idxImages(1)));
    vi.stubEnv("LIPSCHITZ_DATA", join(folder, "whole"));
    expect((await loadDataset("mnist", { dataDir: join(folder, "part") })).train.count).toBe(3);
    vi.stubEnv("XDG_CACHE_HOME", "/nowhere");
    expect(dataFolders("x")).toEqual([
      "x",
      join(folder, "whole"),
      expect.stringMatching(/lipschitz/),
      "/usr/share/datasets",
    ]);
  });

  it("reads CIFAR-10 batches", async () => {
    const batch = (label: number) => Uint8Array.of(label, ...new Uint8Array(3072).fill(255));
    for (let i = 1; i <= 5; i++) await put(`a/cifar10/cifar-10-batches-bin/data_batch_${i}.bin`, batch(i));
    await put("a/cifar10/cifar-10-batches-bin/test_batch.bin", batch(9));
    const { train, test } = await loadDataset("cifar10", { dataDir: join(folder, "a") });
    expect([[...train.labels], [...test.labels], test.shape, test.x[0]]).toEqual([
      [1, 2, 3, 4, 5],
      [9],
      [3, 32, 32],
      1,
    ]);
  });

  it("says where it looked and what to run", async () => {
    vi.stubEnv("LIPSCHITZ_DATA", "");
    const load = loadDataset("cifar10", { dataDir: "/nowhere" });
    await expect(load).rejects.toThrow(UsageError);
    await expect(load).rejects.toThrow(
      /\/nowhere\/cifar10, .*\/usr\/share\/datasets\/cifar10; run `lipschitz data fetch cifar10`/,
    );
  });

  it("says which file is damaged", async () => {
    await putMnist("b/mnist");
    const path = await put("b/mnist/train-images-idx3-ubyte.gz", gzipSync(idxImages(3)).subarray(0, 200));
    await expect(loadDataset("mnist", { dataDir: join(folder, "b") })).rejects.toThrow(ReadError);
    await expect(loadDataset("mnist", { dataDir: join(folder, "b") })).rejects.toThrow(
      `${path}: gzip data must be whole`,
    );
    await put("b/mnist/train-images-idx3-ubyte.gz", gzipSync(idxImages(2)));
    await expect(loadDataset("mnist", { dataDir: join(folder, "b") })).rejects.toThrow(
      "samples and labels must be equally many",
    );
    await putMnist("c/mnist", 27);
    await expect(loadDataset("mnist", { dataDir: join(folder, "c") })).rejects.toThrow(
      "samples of mnist must be [1,28,28]",
    );
  });

  it.skipIf(missing)("loads all of MNIST", async () => {
    const { train, test } = await loadDataset("mnist", { dataDir: SHARED });
    expect([train.count, test.count, train.shape]).toEqual([60_000, 10_000, [1, 28, 28]]);
    expect([...train.labels.subarray(0, 5), ...test.labels.subarray(0, 5)]).toEqual([5, 0, 4, 1, 9, 7, 2, 1, 0, 4]);
    // The mean and deviation everyone normalises MNIST by.
    const mean = train.x.reduce((a, b) => a + b) / train.x.length;
    expect(mean).toBeCloseTo(0.1307, 4);
  });
});

describe("loadDataset() by path", () => {
  it("divides one file four to one, by the seed", async () => {
    const rows = Array.from({ length: 10 }, (_, i) => `${i},${i * i},${i % 2}`);
    const path = await put("squares.csv", rows.join("\n"));
    const { train, test } = await loadDataset(path);
    expect([train.count, test.count, train.classes]).toEqual([8, 2, 2]);
    expect([...train.x, ...test.x].sort((a, b) => a - b)).toEqual(
      rows.flatMap((_, i) => [i, i * i]).sort((a, b) => a - b),
    );
    expect(await loadDataset(path, { seed: 0 })).toEqual({ train, test });
    const others = await Promise.all([1, 2, 3].map((seed) => loadDataset(path, { seed })));
    expect(others.some((other) => `${other.test.x}` !== `${test.x}`)).toBe(true);
    expect((await loadDataset(path, { task: "regression" })).train.task).toBe("regression");
  });

  it("reads CSV through gzip", async () => {
    const path = await put("squares.csv.gz", gzipSync("1,0\n2,1\n"));
    expect((await loadDataset(path)).train.count).toBe(1);
  });

  it("finds the labels of IDX images beside them", async () => {
    const path = await put("own-images-idx3-ubyte.gz", gzipSync(idxImages(5, 4)));
    await expect(loadDataset(path)).rejects.toThrow(`there is no ${join(folder, "own-labels-idx1-ubyte")}`);
    await put("own-labels-idx1-ubyte", idxLabels(0, 1, 2, 1, 0));
    const { train, test } = await loadDataset(path);
    expect([train.count, test.count, train.shape, train.classes]).toEqual([4, 1, [1, 4, 4], 3]);
  });

  it.each([
    ["x.npy", "y.npy"],
    ["wave_x.npy", "wave_y.npy"],
    ["X_train.npy", "y_train.npy"],
  ])("finds the labels of %s in %s", async (x, y) => {
    const path = await put(
      `npy-${x}/${x}`,
      npy(
        "<f4",
        "(5, 2)",
        Float32Array.from({ length: 10 }, (_, i) => i),
      ),
    );
    await expect(loadDataset(path)).rejects.toThrow(`there is no ${join(folder, `npy-${x}`, y)}`);
    await put(`npy-${x}/${y}`, npy("<i8", "(5,)", BigInt64Array.of(0n, 1n, 2n, 3n, 3n)));
    const { train, test } = await loadDataset(path);
    expect([train.count, test.count, train.shape, train.classes, train.range]).toEqual([4, 1, [2], 4, undefined]);
    for (const part of [train, test]) {
      const firsts = Array.from(part.labels, (_, i) => part.x[2 * i]);
      expect(firsts.map((x) => Math.min(3, x / 2))).toEqual([...part.labels]);
    }
  });

  it("takes a folder with the files of MNIST", async () => {
    await putMnist("mine", 5);
    const { train, test } = await loadDataset(join(folder, "mine"));
    expect([train.name, train.count, test.count, train.shape, train.classes]).toEqual(["mine", 3, 2, [1, 5, 5], 5]);
  });

  it("says what a path may be", async () => {
    await expect(loadDataset("minst")).rejects.toThrow(
      new UsageError(
        'data: must be one of digits, mnist, fashion-mnist, cifar10, iris, square-wave, two-moons or a path, got "minst", which does not exist',
      ),
    );
    await expect(loadDataset(await put("notes.txt", "hello"))).rejects.toThrow("notes.txt: a data file must be .csv");
    await put("empty/notes.txt", "hello");
    await expect(loadDataset(join(folder, "empty"))).rejects.toThrow(
      "a folder must hold images (.png, .jpg), the four IDX files of MNIST",
    );
  });
});

describe("points of a box", () => {
  it("lie in it, are drawn by the seed and have no labels", async () => {
    const { train, test } = await loadParts("box:-1:1,2:5", { seed: 3 });
    expect([train.task, train.shape, train.count, test.count]).toEqual(["none", [2], 4096, 1024]);
    expect(train.x.every((v, i) => (i % 2 === 0 ? Math.abs(v) <= 1 : v >= 2 && v <= 5))).toBe(true);
    const mean = train.x.reduce((sum, v, i) => sum + (i % 2 === 1 ? v : 0), 0) / train.count;
    expect(mean).toBeCloseTo(3.5, 1);
    expect((await loadSamples("box:-1:1,2:5", { seed: 3 })).x).toEqual(test.x);
    expect((await loadParts("box:-1:1,2:5", { seed: 4 })).train.x).not.toEqual(train.x);
    await expect(loadDataset("box:-1:1")).rejects.toThrow(
      "box:-1:1: training needs labels. No labels. Name them by labels",
    );
    for (const name of ["box:", "box:1", "box:1:0", "box:0:1,a:2", "box:0:1:2"]) {
      await expect(loadParts(name)).rejects.toThrow(
        `data: a box must be box:LO:HI,LO:HI,..., with LO <= HI for each input, got "${name}"`,
      );
    }
  });
});
