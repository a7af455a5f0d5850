/** @file Data sets by name or path, from memory or from disk; Node only. What is handed in to be tested on is tested on whole; what is handed in to be trained on is divided. */
import { UsageError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import { boxPoints, boxPrefix } from "./boxPoints.ts";
import { type Dataset, type Split, splitDataset, type Unlabelled } from "./dataset.ts";
import { digits } from "./digits.ts";
import { kindOf } from "./files/disk.ts";
import { fromFolders } from "./files/named.ts";
import { fromPath } from "./files/path.ts";
import { iris } from "./iris.ts";
import type { Reading } from "./reading.ts";
import { squareWave, twoMoons } from "./toy.ts";

export { cacheFolder, dataFolders } from "./files/named.ts";

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

export interface LoadOptions extends Reading {
  /** A folder with a folder named as the data set; looked at first. */
  readonly dataDir?: string | undefined;
  /** Makes the toy problems and divides a file; default 0. */
  readonly seed?: number | undefined;
}

/** The part of own data that training leaves for tests by default. */
export const TEST_PART = 0.2;

/**
 * Load a data set by name, or from a path, in two parts.
 *
 * mnist, fashion-mnist and cifar10 are looked for in `dataFolders`. A path is a table (.csv, .tsv, .parquet), NumPy's arrays (`x.npy` with
 * `y.npy`, `NAME_x.npy` with `NAME_y.npy`, .npz), IDX images (`train-images-idx3-ubyte`, labels in `train-labels-idx1-ubyte` beside them),
 * each also as `.gz`, a folder with the files of MNIST or CIFAR-10, or a folder of images (.png, .jpg) in a sub-folder for each class. What
 * does not say itself which samples are for tests is divided at random by the seed, `test` of it (default: a fifth) to test. A name wins
 * over a path: write `./iris` for a file of that name.
 *
 * Throws `UsageError` for what is not there, or has no labels, and `ReadError` for what is damaged.
 */
export async function loadDataset(name: string, options: LoadOptions = {}): Promise<Split> {
  const { train, test } = await loadParts(name, options);
  if (train.task === "none" || test.task === "none") {
    const why = train.notes?.find((note) => note.startsWith("No labels")) ?? "No labels.";
    throw new UsageError(`${name}: training needs labels. ${why} Name them by labels`);
  }
  return { train, test };
}

/** Both parts of samples, with labels or without. */
export type Parts = Split | { readonly train: Unlabelled; readonly test: Unlabelled };

/** The same of samples that may have no labels: a teacher gives them. `box:LO:HI,...` are points of a box. */
export async function loadParts(name: string, options: LoadOptions = {}): Promise<Parts> {
  const found = await load(name, options);
  return isParts(found) ? undivided(name, found, options) : divide(found, options);
}

/**
 * Load the samples to test on, by a name or from a path as `loadDataset` does: the test part where the data have one, all samples of a file
 * or folder otherwise, or with `test` that part of them which `loadDataset` leaves for tests. They may have no labels.
 */
export async function loadSamples(name: string, options: LoadOptions = {}): Promise<Dataset | Unlabelled> {
  const found = await load(name, options);
  if (isParts(found)) return undivided(name, found, options).test;
  return options.test === undefined ? found : divide(found, options).test;
}

// --- internal ---

const isParts = (found: Dataset | Unlabelled | Parts): found is Parts => "train" in found;

async function load(name: string, options: LoadOptions): Promise<Dataset | Unlabelled | Parts> {
  const { seed = 0, dataDir } = options;
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
    case "cifar10":
      return fromFolders(known, dataDir);
    case undefined:
      if (name.startsWith(boxPrefix)) return boxPoints(name, seed);
      if ((await kindOf(name)) !== "none") return fromPath(name, options);
      throw new UsageError(
        `data: must be one of ${DATASET_NAMES.join(", ")} or a path, got "${name}", which does not exist`,
      );
    default:
      return known satisfies never;
  }
}

function divide(all: Dataset | Unlabelled, { test = TEST_PART, seed = 0 }: LoadOptions): Parts {
  const parts = splitDataset(all, 1 - test, random(seed).fork("split"));
  const how = `${parts.test.count} of its ${all.count} samples are for tests, drawn by seed ${seed} (test=${test}).`;
  const notes = [...(all.notes ?? []), how];
  return { train: { ...parts.train, notes }, test: { ...parts.test, notes } } as Parts;
}

function undivided(name: string, parts: Parts, { test }: LoadOptions): Parts {
  if (test === undefined) return parts;
  throw new UsageError(`${name}: says itself which samples are for tests; leave the split out`);
}
