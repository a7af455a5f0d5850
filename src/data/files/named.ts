/** @file Folders with the files of MNIST or CIFAR-10, by name below a data folder or by path. A folder is taken only if every file of the data set is in it. */
import { join } from "node:path";
import envPaths from "env-paths";
import { ReadError, UsageError } from "../../tensor/errors.ts";
import { type Shape, sameShape, showShape } from "../../tensor/shape.ts";
import { datasetFromArrays } from "../arrays.ts";
import { parseCifar10 } from "../cifar10.ts";
import type { Split } from "../dataset.ts";
import { parseIdx } from "../idx.ts";
import { findAll, read } from "./disk.ts";

/** The data set in a folder; nothing if not all its files are there. */
type Reader = (name: string, folder: string) => Promise<Split | undefined>;

/** Where data sets are looked for, in order: `dataDir`, $LIPSCHITZ_DATA, the cache folder, /usr/share/datasets. */
export function dataFolders(dataDir?: string): readonly string[] {
  const folders = [dataDir, process.env.LIPSCHITZ_DATA, cacheFolder(), "/usr/share/datasets"];
  return folders.flatMap((folder) => (folder === undefined || folder === "" ? [] : [folder]));
}

/** The platform's folder for what can be downloaded again. */
export const cacheFolder = (): string => envPaths("lipschitz", { suffix: "" }).cache;

/** mnist, fashion-mnist or cifar10 below the data folders. */
export async function fromFolders(name: "mnist" | "fashion-mnist" | "cifar10", dataDir?: string): Promise<Split> {
  const folders = dataFolders(dataDir).map((folder) => join(folder, name));
  const [reader, shape]: [Reader, Shape] = name === "cifar10" ? [readCifar10, [3, 32, 32]] : [readMnist, [1, 28, 28]];
  for (const folder of folders) {
    const split = await reader(name, folder);
    if (split === undefined) continue;
    if (![split.train, split.test].every((part) => sameShape(part.shape, shape))) {
      const got = `${showShape(split.train.shape)} and ${showShape(split.test.shape)}`;
      throw new ReadError(`${folder}: samples of ${name} must be ${showShape(shape)}, got ${got}`);
    }
    return split;
  }
  throw new UsageError(
    `${name}: its files must be in a data folder, got none of them whole in ${folders.join(", ")}; ` +
      `run \`lipschitz data fetch ${name}\` or name the folder above by --data-dir`,
  );
}

/** The four IDX files of MNIST, or of a data set in its format. */
export const readMnist: Reader = async (name, folder) => {
  const paths = await findAll(
    [folder],
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
  );
  if (paths === undefined) return undefined;
  const [trainImages, trainLabels, testImages, testLabels] = paths;
  // A folder of unknown origin says by its labels how many classes there are.
  const classes = name === "mnist" || name === "fashion-mnist" ? 10 : undefined;
  const train = await readPair(name, trainImages, trainLabels, classes);
  return { train, test: await readPair(name, testImages, testLabels, train.classes) };
};

/** The six batches of CIFAR-10. */
export const readCifar10: Reader = async (name, folder) => {
  const files = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
  const paths = await findAll([folder, join(folder, "cifar-10-batches-bin")], [...files, "test_batch.bin"]);
  if (paths === undefined) return undefined;
  const batches = await Promise.all(paths.map(async (file) => ({ file, bytes: await read(file) })));
  return { train: parseCifar10(name, batches.slice(0, 5)), test: parseCifar10(name, batches.slice(5)) };
};

// --- internal ---

async function readPair(name: string, images: string, labels: string, classes?: number) {
  const pair = [parseIdx(images, await read(images)), parseIdx(labels, await read(labels))] as const;
  return datasetFromArrays(name, ...pair, { task: "classification", classes });
}
