/** @file Own files of every form, as NumPy, pyarrow and Pillow write them (test/fixtures/data/make.py), against what the same libraries say is in them. */
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ReadError, UsageError } from "../tensor/errors.ts";
import { toNumbers } from "./arrays.ts";
import { type Dataset, sampleName, type Unlabelled } from "./dataset.ts";
import { loadDataset, loadSamples } from "./files.ts";
import { parseNpy, parseNpyAny } from "./npy.ts";

const fixtures = fileURLToPath(new URL("../../test/fixtures/data/", import.meta.url));
const at = (name: string) => join(fixtures, name);
const arraysOf = (name: string) =>
  Object.fromEntries(Object.entries(unzipSync(readFileSync(at(name)))).map(([k, v]) => [k.replace(/\.npy$/, ""), v]));

const answeredOf = (data: Dataset | Unlabelled): Dataset => {
  if (data.task === "none") throw new Error(`${data.name} has no labels`);
  return data;
};
const load = async (name: string, options = {}) => answeredOf(await loadSamples(at(name), options));

describe("NumPy arrays", () => {
  const arrays = arraysOf("types.npz");
  const types = parseNpyAny("types", arrays.types);

  it("are read in every type and both orders of bytes", () => {
    expect(types.data).toHaveLength(21);
    types.data.forEach((type, i) => {
      const array = parseNpy(String(type), arrays[`t${i}`]);
      expect([type, array.shape, Array.from(toNumbers(array))]).toEqual([
        type,
        [2, 3],
        type === "?" ? [0, 1, 1, 1, 1, 1] : [0, 1, 2, 3, 5, 7],
      ]);
    });
    expect(Array.from(toNumbers(parseNpy("negative", arrays.negative)))).toEqual([-3, -1, 2]);
    expect(Array.from(toNumbers(parseNpy("half", arrays.half)))).toEqual(
      Array.from(toNumbers(parseNpy("double", arrays.half_as_double))),
    );
  });

  it("are read column by column, and as words", () => {
    const { shape, data } = parseNpy("fortran", arrays.fortran);
    expect([shape, Array.from(data, Number)]).toEqual([[2, 3, 4], Array.from({ length: 24 }, (_, i) => i)]);
    const words = ["ein", "zwei", "drei", "vier fünf"];
    expect(parseNpyAny("w", arrays.words)).toEqual({ dtype: "text", shape: [2, 2], data: words });
    expect(parseNpyAny("w", arrays.words_fortran).data).toEqual(words);
    expect(parseNpyAny("b", arrays.bytes).data).toEqual(["cat", "doggy"]);
    expect(() => parseNpy("w", arrays.words)).toThrow(new ReadError("w: the array must hold numbers, got text"));
  });

  it("make signals and volumes, with a row number for each sample", async () => {
    const signals = await load("signals_x.npy");
    expect([signals.count, signals.shape, [...signals.labels], signals.ids?.[4]]).toEqual([
      5,
      [1, 2, 16],
      [0, 1, 0, 1, 1],
      "row 4",
    ]);
    const volumes = await loadSamples(at("volumes_x.npy"));
    expect([volumes.task, volumes.count, volumes.shape]).toEqual(["none", 3, [4, 5, 6]]);
    expect(volumes.notes).toEqual([`No labels: there is no ${at("volumes_y.npy")}.`]);
    await expect(loadDataset(at("volumes_x.npy"))).rejects.toThrow(
      new UsageError(
        `${at("volumes_x.npy")}: training needs labels. No labels: there is no ${at("volumes_y.npy")}. Name them by labels`,
      ),
    );
  });

  it("in one .npz: parts as Keras names them, or samples with ids", async () => {
    const { train, test } = await loadDataset(at("parts.npz"));
    expect([train.count, test.count, train.classNames]).toEqual([5, 2, ["cat", "dog", "owl"]]);
    expect([[...train.labels], [...test.labels]]).toEqual([
      [0, 1, 0, 1, 1],
      [2, 0],
    ]);
    expect((await load("parts.npz")).count).toBe(2);
    await expect(loadSamples(at("parts.npz"), { test: 0.5 })).rejects.toThrow("leave the split out");
    const one = await load("one.npz");
    expect([one.count, [...one.labels], one.ids?.[6]]).toEqual([7, [0, 1, 0, 1, 1, 0, 1], "patient_0006"]);
  });

  it("refuse a .npz that is damaged or has no samples", async () => {
    const folder = await mkdtemp(join(tmpdir(), "npz-"));
    await writeFile(join(folder, "cut.npz"), readFileSync(at("one.npz")).subarray(0, 600));
    await expect(loadSamples(join(folder, "cut.npz"))).rejects.toThrow(
      "cut.npz: a .npz file must be a whole zip archive",
    );
    await expect(loadSamples(at("types.npz"))).rejects.toThrow("one of its arrays must be called x, data, images");
    await rm(folder, { recursive: true });
  });
});

describe("what is handed in", () => {
  it("is tested on whole; a part is tested on only where told, and it is the part that training leaves", async () => {
    const all = await load("integers_x.npy", { task: "regression" });
    expect([all.count, all.ids?.[39]]).toEqual([40, "row 39"]);
    const { train, test } = await loadDataset(at("integers_x.npy"), { task: "regression", seed: 3 });
    const part = await load("integers_x.npy", { task: "regression", seed: 3, test: 0.2 });
    expect([train.count, test.count]).toEqual([32, 8]);
    expect(part).toEqual(test);
    expect([...(train.ids ?? []), ...(test.ids ?? [])].sort()).toEqual([...(all.ids ?? [])].sort());
    // Every sample still is the row that it is called after.
    test.ids?.forEach((id, i) => {
      const row = Number(id.replace("row ", ""));
      expect([...test.x.subarray(3 * i, 3 * i + 3)]).toEqual([...all.x.subarray(3 * row, 3 * row + 3)]);
      expect(sampleName(test, i)).toBe(id);
    });
    expect(test.notes).toEqual(["8 of its 40 samples are for tests, drawn by seed 3 (test=0.2)."]);
  });

  it("asks for the task where whole numbers may be classes or numbers to predict", async () => {
    await expect(loadSamples(at("integers_x.npy"))).rejects.toThrow(
      new UsageError(
        `${at("integers_x.npy")}: 40 different whole numbers for 40 samples: say task classification, or task regression where they are to be predicted`,
      ),
    );
    const predicted = await load("integers_x.npy", { task: "regression" });
    expect([predicted.task, predicted.classes, predicted.targets[1]]).toEqual(["regression", 1, 33]);
    expect((await load("integers_x.npy", { task: "classification" })).classes).toBe(338);
  });

  it("takes its labels from a file that is named", async () => {
    const labels = at("signals_y.npy");
    const data = answeredOf(await loadSamples(at("signals_x.npy"), { labels, classNames: ["still", "moving"] }));
    expect([data.classNames, [...data.labels]]).toEqual([
      ["still", "moving"],
      [0, 1, 0, 1, 1],
    ]);
    await expect(loadSamples(at("volumes_x.npy"), { labels })).rejects.toThrow("must be equally many");
    expect((await loadSamples(at("signals_x.npy"), { label: "none" })).task).toBe("none");
  });
});

describe("tables", () => {
  it.each(["none", "snappy", "gzip", "zstd", "brotli", "lz4"])("Parquet, compression %s", async (codec) => {
    const data = await load(`table_${codec}.parquet`);
    expect([data.count, data.shape, data.classNames, [...data.labels], data.ids?.[5]]).toEqual([
      6,
      [5],
      ["ill", "well"],
      [0, 1, 0, 1, 1, 0],
      "p5",
    ]);
    expect([...data.x.subarray(5, 10)]).toEqual([41, 1.5, 0, 1, 1.25]);
    expect(data.notes).toEqual(['Samples are named by column "patient_id".']);
  });

  it("Parquet: other columns as told, and a file that is cut", async () => {
    const options = {
      label: ["age", "dose"],
      ignore: ["outcome", "trace[0]"],
      id: "patient_id",
      task: "regression",
    } as const;
    const data = await load("table_none.parquet", options);
    expect([data.shape, data.classes, [...data.targets.subarray(2, 4)], data.notes]).toEqual([
      [2],
      2,
      [41, 1.5],
      undefined,
    ]);
    await expect(load("table_none.parquet", { label: ["weight"] })).rejects.toThrow(
      'label must be a column (patient_id, age, dose, smoker, trace[0], trace[1], outcome, or 0..6), got "weight"',
    );
    const folder = await mkdtemp(join(tmpdir(), "parquet-"));
    await writeFile(join(folder, "cut.parquet"), readFileSync(at("table_none.parquet")).subarray(0, 900));
    await expect(loadSamples(join(folder, "cut.parquet"))).rejects.toThrow("cut.parquet: must be a whole Parquet file");
    await rm(folder, { recursive: true });
  });

  it("Parquet: columns in the file's order, whatever they are called, and no two of one name", async () => {
    const data = await load("descending.parquet");
    expect([[...data.x.subarray(0, 6)], [...data.labels]]).toEqual([
      [1, -2, -3, -1, 2, 3],
      [0, 1, 0, 1],
    ]);
    await expect(load("twice.parquet")).rejects.toThrow('columns must have names of their own, got "a" twice');
  });

  it("CSV as Europe writes it: semicolons, decimal commas, words for labels, an id column", async () => {
    const data = await load("european.csv");
    expect([[...data.x], data.classNames, [...data.labels], data.ids]).toEqual([
      [1.5, 2, -0.25, 3.75, 4, Math.fround(0.01)],
      ["blau", "rot"],
      [1, 0, 1],
      ["7", "9", "11"],
    ]);
    const ordered = await load("european.csv", { classNames: ["rot", "grün", "blau"] });
    expect([ordered.classes, [...ordered.labels]]).toEqual([3, [0, 2, 0]]);
    await expect(load("european.csv", { classNames: ["rot"] })).rejects.toThrow(
      'labels must be among rot, got "blau" in line 3',
    );
    expect((await loadSamples(at("european.csv"), { label: "none", ignore: ["Art"] })).shape).toEqual([2]);
  });
});

describe("images", () => {
  const expected = arraysOf("expected.npz");
  const pixels = (name: string) => {
    const { shape, data } = parseNpy(name, expected[name]);
    return { shape, data: Array.from(data, Number) };
  };
  const kinds = ["cat/one.png", "cat/two.jpg", "dog/palette.png", "dog/four.jpeg", "dog/alpha.png"];
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "images-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** The largest difference from what Pillow sees, in levels of 255. */
  const off = (data: Dataset | Unlabelled, name: string, suffix: string) => {
    const { shape, data: levels } = pixels(`pictures/${name}${suffix}`);
    const place = data.ids?.indexOf(name) ?? -1;
    const size = levels.length;
    expect(data.shape).toEqual(shape);
    return levels.reduce((most, v, i) => Math.max(most, Math.abs(255 * data.x[place * size + i] - v)), 0);
  };

  it("in folders for classes, with their names, exactly as Pillow decodes them", async () => {
    const data = await load("pictures");
    expect([data.classNames, data.count, data.range]).toEqual([["cat", "dog"], 5, [0, 1]]);
    expect(data.ids).toEqual(["cat/one.png", "cat/two.jpg", "dog/alpha.png", "dog/four.jpeg", "dog/palette.png"]);
    expect([...data.labels]).toEqual([0, 0, 1, 1, 1]);
    for (const name of kinds) expect([name, off(data, name, "") < 1e-4]).toEqual([name, true]);
  });

  it("resized and grey to within the rounding of whole levels", async () => {
    const small = await load("pictures", { resize: [12, 16] });
    const large = await load("pictures", { resize: [30, 48] });
    const grey = await load("pictures", { color: "grey" });
    for (const name of kinds) {
      // Pillow rounds after each axis: half a level twice, and what the second weights make of the first.
      expect(off(small, name, "_small")).toBeLessThan(1.01);
      expect(off(large, name, "_large")).toBeLessThan(1.01);
      expect(off(grey, name, "_grey")).toBeLessThan(0.51);
    }
    expect((await load("pictures", { resize: 12 })).shape).toEqual([3, 12, 16]);
    const whole = await load("pictures");
    const middle = await load("pictures", { crop: [10, 20] });
    expect(middle.shape).toEqual([3, 10, 20]);
    expect(middle.x[0]).toBe(whole.x[7 * 32 + 6]);
    await expect(load("pictures", { crop: [25, 20] })).rejects.toThrow(
      "a crop must not be larger than the image, got 25x20 of 24x32",
    );
  });

  it("of 1 and 16 bits, grey JPEG, and one alone", async () => {
    for (const [name, most] of [
      ["grey16.png", 65535],
      ["grey.jpg", 255],
      ["grey.png", 255],
      ["bits.png", 1],
    ] as const) {
      const one = await loadSamples(at(name));
      const { shape, data } = pixels(name);
      expect([one.task, one.count, one.shape, one.ids]).toEqual(["none", 1, shape, [name]]);
      expect(data.every((v, i) => Math.abs(v / most - one.x[i]) < 1e-6)).toBe(true);
    }
    const color = await loadSamples(at("grey.png"), { color: "rgb" });
    expect([color.shape, color.x[0]]).toEqual([[3, 24, 32], color.x[24 * 32]]);
  });

  it("with their labels in a table, or without labels", async () => {
    const data = await load("flat");
    expect([data.classNames, [...data.labels], data.ids?.[1]]).toEqual([
      ["lesion", "none"],
      [1, 0, 1],
      "patient_0001.png",
    ]);
    expect((await loadSamples(at("flat"), { label: "none" })).task).toBe("none");
    await expect(loadSamples(at("pictures"), { labels: at("flat/labels.csv") })).rejects.toThrow(
      "there must be a label of every image, got none of cat/one.png",
    );
  });

  it("have one label each, and a name of a label's row is that of one image", async () => {
    const own = await mkdtemp(join(tmpdir(), "labels-"));
    for (const part of ["a", "b"]) {
      await mkdir(join(own, part));
      await writeFile(join(own, part, "x.png"), readFileSync(at("grey.png")));
    }
    const labelled = async (table: string) => {
      await writeFile(join(own, "labels.csv"), `file,label\n${table}`);
      return loadSamples(own, { labels: join(own, "labels.csv") });
    };
    await expect(labelled("x.png,ill\nx.png,well\n")).rejects.toThrow(
      'line 3: an image must have one label, got "ill" and "well" for x.png',
    );
    await expect(labelled("x.png,ill\n")).rejects.toThrow(
      '"x.png" must name one image, got a/x.png and b/x.png; write their folders, too',
    );
    const data = await labelled("a/x.png,ill\nb/x.png,well\n");
    expect(data.task === "classification" && [...data.labels]).toEqual([0, 1]);
    await rm(own, { recursive: true });
  });

  it("say what is wrong: sizes, colours, damage, no images", async () => {
    await writeFile(join(folder, "a.png"), readFileSync(at("grey.png")));
    await writeFile(join(folder, "b.png"), readFileSync(at("pictures/cat/one.png")));
    await expect(loadSamples(folder)).rejects.toThrow(
      "all images must have one size, got [3,24,32] in b.png and [1,24,32] in a.png; say color grey or rgb",
    );
    expect((await loadSamples(folder, { color: "grey" })).count).toBe(2);
    await writeFile(join(folder, "b.png"), readFileSync(at("pictures/cat/two.jpg")).subarray(0, 500));
    await expect(loadSamples(folder, { color: "grey" })).rejects.toThrow(
      "b.png: must be a whole JPEG file, got: Premature end",
    );
    await writeFile(join(folder, "b.png"), readFileSync(at("grey.png")).subarray(0, 300));
    await expect(loadSamples(folder)).rejects.toThrow("b.png: must be a whole PNG file");
    await writeFile(join(folder, "b.png"), "GIF89a");
    await expect(loadSamples(folder)).rejects.toThrow("b.png: an image must be a PNG or JPEG file");
    // The decoder goes on after a failure.
    await writeFile(join(folder, "b.png"), readFileSync(at("grey.jpg")));
    expect((await loadSamples(folder)).count).toBe(2);
  });
});
