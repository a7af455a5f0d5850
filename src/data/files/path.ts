/** @file A data set from a path: one file, a file of samples with its file of labels, or a folder of images. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { ReadError, UsageError } from "../../tensor/errors.ts";
import { type ArrayOptions, datasetFromArrays, type StoredArray, type StoredText } from "../arrays.ts";
import { csvTable, parseCsv } from "../csv.ts";
import type { Dataset, Split, Unlabelled } from "../dataset.ts";
import { parseIdx } from "../idx.ts";
import { datasetFromImages, labelsByFile } from "../imageSet.ts";
import { jpegDecoder } from "../jpeg.ts";
import { parseNpy, parseNpyAny } from "../npy.ts";
import { parseNpz } from "../npz.ts";
import { parseParquet } from "../parquet.ts";
import type { Reading } from "../reading.ts";
import { filesBelow, findAll, kindOf, read } from "./disk.ts";
import { readCifar10, readMnist } from "./named.ts";

/** What is at a path: parts where the data say which samples are for tests, otherwise one. */
export async function fromPath(path: string, options: Reading): Promise<Dataset | Unlabelled | Split> {
  if ((await kindOf(path)) === "folder") {
    const name = basename(path);
    return (await readMnist(name, path)) ?? (await readCifar10(name, path)) ?? (await fromImages(path, options));
  }
  const name = basename(path).replace(/\.gz$/, "");
  const images = /^(.*)images([-.])idx\d-ubyte$/.exec(name);
  if (images !== null) {
    const beside = `${images[1]}labels${images[2]}idx1-ubyte`;
    return withLabels(path, parseIdx(path, await read(path)), beside, options);
  }
  const form = /\.[^.]*$/.exec(name)?.[0].toLowerCase();
  if (options.labels !== undefined && form !== undefined && withOwnLabels.has(form))
    throw new UsageError(`${path}: has its labels in it, so that --labels is not read; name their column by --label`);
  switch (form) {
    case ".csv":
    case ".tsv":
      return parseCsv(path, await read(path), options);
    case ".parquet":
      return parseParquet(path, await read(path), options);
    case ".npz":
      return parseNpz(path, await read(path), options);
    case ".npy": {
      const samples = /^(|.*[_-])(x)([_-].*|)\.npy$/i.exec(name);
      const beside = samples ? `${samples[1]}y${samples[3]}.npy` : undefined;
      return withLabels(path, parseNpy(path, await read(path)), beside, options);
    }
    case ".png":
    case ".jpg":
    case ".jpeg": {
      const one = { id: basename(path), label: undefined, read: () => read(path) };
      return datasetFromImages(path, [one], await jpeg(), options);
    }
    default:
      throw new UsageError(
        `${path}: a data file must be .csv, .parquet, .npy (labels in y.npy beside x.npy, or named by labels), .npz, ` +
          `*-images-idx3-ubyte (labels in *-labels-idx1-ubyte), each also as .gz, or a folder of images, got ${basename(path)}`,
      );
  }
}

// --- internal ---

/** Files that hold samples and labels. */
const withOwnLabels: ReadonlySet<string> = new Set([".csv", ".tsv", ".parquet", ".npz"]);

async function withLabels(
  path: string,
  x: StoredArray,
  beside: string | undefined,
  options: Reading,
): Promise<Dataset | Unlabelled> {
  if (options.label === "none") return datasetFromArrays(path, x);
  const found = beside === undefined ? undefined : await findAll([dirname(path)], [beside]);
  const file = options.labels ?? found?.[0];
  if (file !== undefined) return datasetFromArrays(path, x, await labelsIn(file, options), arrayOptions(options));
  const missing = beside === undefined ? "" : `: there is no ${join(dirname(path), beside)}`;
  return { ...datasetFromArrays(path, x), notes: [`No labels${missing}.`] };
}

const arrayOptions = ({ task, classNames }: Reading): ArrayOptions => ({ task, classNames });

/** An array of labels, one a sample. */
async function labelsIn(file: string, { label }: Reading): Promise<StoredArray | StoredText> {
  const name = basename(file).replace(/\.gz$/, "");
  const bytes = await read(file);
  if (name.endsWith(".npy")) return parseNpyAny(file, bytes);
  if (/idx\d-ubyte$/.test(name)) return parseIdx(file, bytes);
  if (!/\.(csv|tsv|txt)$/.test(name)) throw new UsageError(`${file}: labels must be .npy, IDX or .csv, got ${name}`);
  const { table } = csvTable(file, bytes);
  const last = table.rows[0].length - 1;
  const columns =
    label === undefined || label === "none" ? [last] : label.map((word) => (table.columns ?? []).indexOf(word));
  if (columns.includes(-1))
    throw new UsageError(`${file}: label must be a column (${table.columns?.join(", ") ?? "none has a name"})`);
  const cells = table.rows.flatMap((row) => columns.map((column) => row[column]));
  const shape = [table.rows.length, columns.length];
  if (cells.some((c) => typeof c === "string")) return { dtype: "text", shape, data: cells.map(String) };
  const whole = cells.every(Number.isInteger);
  return { dtype: whole ? "int64" : "float64", shape, data: Float64Array.from(cells, Number) };
}

const IMAGE = /\.(png|jpe?g)$/i;

/** Sub-folders are classes, or parts of them (`train/cat`, `test/cat`); labels may be in a table instead. */
async function fromImages(folder: string, options: Reading): Promise<Dataset | Unlabelled | Split> {
  const all = await filesBelow(folder);
  const images = all.filter((path) => IMAGE.test(path));
  if (images.length === 0) {
    throw new UsageError(
      `${folder}: a folder must hold images (.png, .jpg), the four IDX files of MNIST or the six batches of CIFAR-10, got others; ` +
        "to look for mnist, fashion-mnist or cifar10 below it, use --data-dir",
    );
  }
  const decoder = await jpeg();
  const labels = options.labels ?? (all.includes("labels.csv") ? join(folder, "labels.csv") : undefined);
  const tableOf = async (file: string) => csvTable(file, await read(file)).table;
  const told = Array.isArray(options.label) ? options.label[0] : undefined;
  const byFile =
    labels === undefined || options.label === "none" ? undefined : labelsByFile(labels, await tableOf(labels), told);
  const byFolder = options.label !== "none" && images.every((path) => path.includes("/"));
  const setOf = (paths: readonly string[], depth: number, classNames?: readonly string[]) =>
    datasetFromImages(
      folder,
      paths.map((id) => ({
        id,
        label: byFile ? byFile(id) : byFolder ? id.split("/")[depth] : undefined,
        read: () => read(join(folder, id)),
      })),
      decoder,
      { ...options, classNames: options.classNames ?? classNames },
    );
  const parts = partsOf(images);
  if (byFolder && parts !== undefined) {
    const depth = byFile ? 0 : 1;
    const names = byFile ? undefined : [...new Set(images.map((id) => id.split("/")[depth]))].sort();
    const [train, test] = [await setOf(parts.train, depth, names), await setOf(parts.test, depth, names)];
    if (train.task !== "none" && test.task !== "none") return { train, test };
  }
  return setOf(images, 0);
}

/** The parts that the first folders name, if they name nothing else. */
function partsOf(images: readonly string[]): { train: readonly string[]; test: readonly string[] } | undefined {
  const first = (path: string) => path.split("/")[0].toLowerCase();
  const train = images.filter((path) => /^train(ing)?$/.test(first(path)));
  const test = images.filter((path) => first(path) === "test");
  const checked = images.filter((path) => /^val(id|idation)?$/.test(first(path)));
  if (train.length + test.length + checked.length !== images.length || train.length === 0) return undefined;
  const second = test.length > 0 ? test : checked;
  return second.length > 0 ? { train, test: second } : undefined;
}

async function jpeg() {
  const path = createRequire(import.meta.url).resolve("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm");
  try {
    return await jpegDecoder(await readFile(path));
  } catch (cause) {
    throw new ReadError(`${path}: the decoder of JPEG files cannot be loaded`, { cause });
  }
}
