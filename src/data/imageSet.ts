/** @file A data set of image files: all of one size, named by their files, their labels from their folders or from a table. */
import { ReadError, UsageError } from "../tensor/errors.ts";
import { showShape } from "../tensor/shape.ts";
import { type AnswerOptions, answersOf } from "./answers.ts";
import { checkDataset, checkSamples, type Dataset, type Unlabelled } from "./dataset.ts";
import { decodeImage, type ImageOptions, type JpegDecoder, prepareImage } from "./image.ts";
import type { Table } from "./table.ts";

export interface ImageFile {
  /** What the sample is called: the path below the folder. */
  readonly id: string;
  readonly label: number | string | undefined;
  read(): Promise<Uint8Array>;
}

/** Read images `[channels,height,width]` in [0,1]; unlabelled where no file has a label. Throws `ReadError` and `UsageError`. */
export async function datasetFromImages(
  name: string,
  files: readonly ImageFile[],
  jpeg: JpegDecoder,
  options: ImageOptions & AnswerOptions = {},
): Promise<Dataset | Unlabelled> {
  let x = new Float32Array(0);
  let shape: readonly number[] = [];
  for (const [i, { id, read }] of files.entries()) {
    const image = prepareImage(id, await decodeImage(id, await read(), jpeg), options);
    const own = [image.channels, image.height, image.width];
    if (i === 0) {
      shape = own;
      x = new Float32Array(files.length * image.data.length);
    } else if (own.join() !== shape.join()) {
      const rule = `all images must have one size, got ${showShape(own)} in ${id} and ${showShape(shape)} in ${files[0].id}`;
      const remedy = own[0] === shape[0] ? "say resize and crop" : "say color grey or rgb";
      throw new UsageError(`${name}: ${rule}; ${remedy}`);
    }
    x.set(image.data, i * image.data.length);
  }
  const base = { name, x, shape, count: files.length, range: [0, 1] as const, ids: files.map(({ id }) => id) };
  const values = files.flatMap(({ label }) => (label === undefined ? [] : [label]));
  if (values.length === 0) return checkSamples<Unlabelled>({ ...base, task: "none" });
  const stored = values.some((v) => typeof v === "string")
    ? "text"
    : values.every(Number.isInteger)
      ? "whole"
      : "float";
  const at = (sample: number) => files[sample].id;
  return checkDataset({ ...base, ...answersOf(name, { values, width: 1, stored, at }, options) });
}

/** Labels by file name, of a table whose first column names files and whose last one, or the one that is told, is the label. */
export function labelsByFile(
  who: string,
  { columns, rows, at }: Table,
  label: string | undefined,
): (id: string) => number | string {
  if (rows[0].length < 2) throw new ReadError(`${who}: ${at(0)} must have a file and its label, got one column`);
  const column = label === undefined ? rows[0].length - 1 : (columns ?? []).indexOf(label);
  if (column < 0) throw new UsageError(`${who}: label must be a column (${columns?.join(", ") ?? "it has no names"})`);
  const found = new Map<string, number | string>();
  rows.forEach((row, i) => {
    const name = String(row[0]).replaceAll("\\", "/").replace(/^\.\//, "");
    if (found.has(name) && found.get(name) !== row[column]) {
      throw new ReadError(
        `${who}: ${at(i)}: an image must have one label, got "${found.get(name)}" and "${row[column]}" for ${name}`,
      );
    }
    found.set(name, row[column]);
  });
  const asked = new Map<string, string>();
  return (id) => {
    const base = id.slice(id.lastIndexOf("/") + 1);
    const key = [id, base, base.replace(/\.[^.]*$/, "")].find((key) => found.has(key));
    const value = key === undefined ? undefined : found.get(key);
    if (key === undefined || value === undefined) {
      throw new ReadError(`${who}: there must be a label of every image, got none of ${id}`);
    }
    const other = asked.get(key);
    if (other !== undefined && other !== id) {
      throw new ReadError(`${who}: "${key}" must name one image, got ${other} and ${id}; write their folders, too`);
    }
    asked.set(key, id);
    return value;
  };
}
