/** @file Data sets by name or path, from memory or from disk; Node only. A folder is taken only if every file of the data set is in it. */
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import envPaths from "env-paths";
import { ReadError, UsageError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import { type Shape, sameShape, showShape } from "../tensor/shape.ts";
import { datasetFromArrays, type StoredArray } from "./arrays.ts";
import { parseCifar10 } from "./cifar10.ts";
import { parseCsv } from "./csv.ts";
import { type Dataset, type Split, splitDataset, type Task } from "./dataset.ts";
import { digits } from "./digits.ts";
import { maybeGunzip } from "./gzip.ts";
import { parseIdx } from "./idx.ts";
import { iris } from "./iris.ts";
import { parseNpy } from "./npy.ts";
import { squareWave, twoMoons } from "./toy.ts";

export const DATASET_NAMES = [
  "digits",
  "mnist",
  "fashion-mnist",
  "cifar10",
  "iris",
  "square-wave",
  "two-moons",
] as const;

export type DatasetName = (typeof DATASET_NAMES)[number];

export interface LoadOptions {
  /** A folder with a folder named as the data set; looked at first. */
  readonly dataDir?: string;
  /** Makes the toy problems and divides a single file; default 0. */
  readonly seed?: number;
  /** What the last column of a CSV file is; default "classification". Elsewhere the data say it themselves. */
  readonly task?: Task;
}

/**
 * Load a data set by name, or from a path.
 *
 * mnist, fashion-mnist and cifar10 are looked for in `dataFolders`. A path is a CSV file, IDX images (`train-images-idx3-ubyte`, labels in
 * `train-labels-idx1-ubyte` beside them), a `.npy` file (`x.npy` with `y.npy`, `NAME_x.npy` with `NAME_y.npy`), each also as `.gz`, or a
 * folder with the files of MNIST or CIFAR-10. One file is divided at random by the seed, four fifths to train and one to test. A name wins
 * over a path: write `./iris` for a file of that name.
 *
 * Throws `UsageError` for what is not there and `ReadError` for what is damaged.
 */
export async function loadDataset(name: string, options: LoadOptions = {}): Promise<Split> {
  const { seed = 0, dataDir, task } = options;
  const known = DATASET_NAMES.find((own) => own === name);
  switch (known) {
    case "digits":
      return digits();
    case "iris":
      return iris();
    case "square-wave":
      return squareWave(seed);
    case "two-moons":
      return twoMoons(seed);
    case "mnist":
    case "fashion-mnist":
      return fromFolders(known, dataDir, readMnist, [1, 28, 28]);
    case "cifar10":
      return fromFolders(known, dataDir, readCifar10, [3, 32, 32]);
    case undefined:
      return fromPath(name, seed, task);
    default:
      return known satisfies never;
  }
}

/** Where data sets are looked for, in order: `dataDir`, $LIPSCHITZ_DATA, the cache folder, /usr/share/datasets. */
export function dataFolders(dataDir?: string): readonly string[] {
  const folders = [dataDir, process.env.LIPSCHITZ_DATA, cacheFolder(), "/usr/share/datasets"];
  return folders.flatMap((folder) => (folder === undefined || folder === "" ? [] : [folder]));
}

/** The platform's folder for what can be downloaded again. */
export const cacheFolder = (): string => envPaths("lipschitz", { suffix: "" }).cache;

// --- internal ---

/** The data set in a folder; nothing if not all its files are there. */
type Reader = (name: string, folder: string) => Promise<Split | undefined>;

async function fromFolders(name: DatasetName, dataDir: string | undefined, read: Reader, shape: Shape): Promise<Split> {
  const folders = dataFolders(dataDir).map((folder) => join(folder, name));
  for (const folder of folders) {
    const split = await read(name, folder);
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

const readMnist: Reader = async (name, folder) => {
  const paths = await findAll(
    [folder],
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
  );
  if (paths === undefined) return undefined;
  const [trainImages, trainLabels, testImages, testLabels] = paths;
  // A folder of unknown origin says by its labels how many classes there are.
  const classes = DATASET_NAMES.some((own) => own === name) ? 10 : undefined;
  const train = await readPair(name, parseIdx, trainImages, trainLabels, classes);
  return { train, test: await readPair(name, parseIdx, testImages, testLabels, train.classes) };
};

const readCifar10: Reader = async (name, folder) => {
  const files = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
  const paths = await findAll([folder, join(folder, "cifar-10-batches-bin")], [...files, "test_batch.bin"]);
  if (paths === undefined) return undefined;
  const batches = await Promise.all(paths.map(async (file) => ({ file, bytes: await read(file) })));
  return { train: parseCifar10(name, batches.slice(0, 5)), test: parseCifar10(name, batches.slice(5)) };
};

async function fromPath(path: string, seed: number, task: Task | undefined): Promise<Split> {
  const kind = await kindOf(path);
  if (kind === "none") {
    throw new UsageError(
      `data: must be one of ${DATASET_NAMES.join(", ")} or a path, got "${path}", which does not exist`,
    );
  }
  if (kind === "folder") {
    const name = basename(path);
    const split = (await readMnist(name, path)) ?? (await readCifar10(name, path));
    if (split !== undefined) return split;
    throw new UsageError(
      `${path}: a folder must hold the four IDX files of MNIST or the six batches of CIFAR-10, got others; ` +
        "to look for mnist, fashion-mnist or cifar10 below it, use --data-dir",
    );
  }
  return splitDataset(await fromFile(path, task), 0.8, random(seed).fork("split"));
}

async function fromFile(path: string, task: Task | undefined): Promise<Dataset> {
  const name = basename(path).replace(/\.gz$/, "");
  if (name.endsWith(".csv")) return parseCsv(path, await read(path), { task });
  const images = /^(.*)images([-.])idx\d-ubyte$/.exec(name);
  if (images !== null) {
    const rule = "IDX images need their labels beside them";
    return readPair(path, parseIdx, path, await partner(path, `${images[1]}labels${images[2]}idx1-ubyte`, rule));
  }
  const samples = /^(|.*[_-])x([_-].*|)\.npy$/i.exec(name);
  if (samples !== null) {
    const rule = "a .npy of samples needs its labels beside it, with y for x in the name";
    return readPair(path, parseNpy, path, await partner(path, `${samples[1]}y${samples[2]}.npy`, rule));
  }
  throw new UsageError(
    `${path}: a data file must be NAME.csv, *-images-idx3-ubyte (labels in *-labels-idx1-ubyte), or x.npy (labels in y.npy) or ` +
      `NAME_x.npy (labels in NAME_y.npy), each also as .gz, got ${basename(path)}`,
  );
}

async function partner(path: string, file: string, rule: string): Promise<string> {
  const found = await findAll([dirname(path)], [file]);
  if (found === undefined) throw new UsageError(`${path}: ${rule}, got no ${join(dirname(path), file)}`);
  return found[0];
}

type Parser = (who: string, bytes: Uint8Array) => StoredArray;

async function readPair(name: string, parse: Parser, x: string, y: string, classes?: number): Promise<Dataset> {
  return datasetFromArrays(name, parse(x, await read(x)), parse(y, await read(y)), classes);
}

/** The paths of all files, plain or .gz, in the first folder that has them all. */
async function findAll(folders: readonly string[], files: readonly string[]): Promise<readonly string[] | undefined> {
  for (const folder of folders) {
    const paths: string[] = [];
    for (const file of files) {
      const plain = join(folder, file);
      if ((await kindOf(plain)) === "file") paths.push(plain);
      else if ((await kindOf(`${plain}.gz`)) === "file") paths.push(`${plain}.gz`);
    }
    if (paths.length === files.length) return paths;
  }
  return undefined;
}

async function kindOf(path: string): Promise<"file" | "folder" | "none"> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch {
    return "none";
  }
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await maybeGunzip(path, await readFile(path));
  } catch (cause) {
    if (cause instanceof ReadError) throw cause;
    throw new ReadError(`${path}: must be a readable file, got ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}
