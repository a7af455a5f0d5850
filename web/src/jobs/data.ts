/** @file Samples from dropped files: images of the kind a browser reads, one or two .npy arrays, CSV; or an example. What has no labels takes the network's decisions. */
import {
  type Dataset,
  datasetFromArrays,
  digits,
  iris,
  labelledBy,
  parseCsv,
  parseNpy,
  type Unlabelled,
} from "lipschitz";
import { type Desk, modelOf } from "../desk.ts";
import type { DataFile } from "../protocol.ts";
import type { JobOf } from "../worker.ts";

export const dataJob: JobOf<"data"> = async (desk, { files, example }) => {
  const { data, labelled } = example ? { data: await exampleOf(example), labelled: true } : await dropped(desk, files);
  const words = example ? [example] : wordsOf(files);
  desk.data = data;
  desk.examples = undefined;
  const { name, count, shape, classes, task } = data;
  return { name, count, shape: [...shape], classes, task, labelled, words };
};

// --- internal ---

const exampleOf = async (name: "digits" | "iris"): Promise<Dataset> =>
  name === "digits" ? (await digits()).test : iris().test;

/** Of what was dropped, as the command line takes it: images are there a folder, labels an option. */
function wordsOf(files: readonly DataFile[]): readonly string[] {
  const [x, y] = files.toSorted((a, b) => b.bytes.length - a.bytes.length).map(({ name }) => name);
  if (!/\.(npy|csv)$/i.test(x)) return ["FOLDER"];
  return y === undefined ? [x] : [x, "--labels", y];
}

interface Read {
  readonly data: Dataset;
  readonly labelled: boolean;
}

async function dropped(desk: Desk, files: readonly DataFile[]): Promise<Read> {
  const ending = (file: DataFile) => file.name.toLowerCase().split(".").pop() ?? "";
  const images = files.filter((file) => ["png", "jpg", "jpeg", "webp", "bmp"].includes(ending(file)));
  const arrays = files.filter((file) => ending(file) === "npy");
  const tables = files.filter((file) => ending(file) === "csv");
  if (images.length > 0) return fromImages(desk, images);
  if (arrays.length > 0) return fromArrays(desk, arrays);
  if (tables.length === 1) return answered(desk, parseCsv(tables[0].name, tables[0].bytes));
  throw new Error(`samples must be images (PNG, JPEG), .npy or .csv, got ${files.map((file) => file.name).join(", ")}`);
}

/** [channels, height, width] of the open model's input. */
function imageShape(desk: Desk): readonly [number, number, number] {
  const [port] = modelOf(desk).network.inputs;
  const [channels, height, width] = port.shape.slice(-3);
  if (typeof channels !== "number" || typeof height !== "number" || typeof width !== "number") {
    throw new Error(`images need a network with an input [channels, height, width], got [${port.shape.join(",")}]`);
  }
  return [channels, height, width];
}

/** Images drawn to the size of the input, in [0, 1]. */
async function fromImages(desk: Desk, files: readonly DataFile[]): Promise<Read> {
  const [channels, height, width] = imageShape(desk);
  if (channels !== 1 && channels !== 3) throw new Error(`images have 1 or 3 channels, the input has ${channels}`);
  const size = channels * height * width;
  const x = new Float32Array(files.length * size);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser draws no images in a worker");
  for (const [k, file] of files.entries()) {
    const bitmap = await createImageBitmap(new Blob([file.bytes as BlobPart]), { colorSpaceConversion: "none" }).catch(
      () => {
        throw new Error(`${file.name}: the browser cannot read it as an image`);
      },
    );
    context.drawImage(bitmap, 0, 0, width, height);
    bitmap.close();
    const { data } = context.getImageData(0, 0, width, height);
    for (let at = 0; at < height * width; at++) {
      const [r, g, b] = [data[4 * at] / 255, data[4 * at + 1] / 255, data[4 * at + 2] / 255];
      if (channels === 1) x[k * size + at] = 0.299 * r + 0.587 * g + 0.114 * b;
      else for (const [c, v] of [r, g, b].entries()) x[k * size + c * height * width + at] = v;
    }
  }
  const name = files.length === 1 ? files[0].name : `${files.length} images`;
  const ids = files.map((file) => file.name);
  const shape = [channels, height, width];
  return answered(desk, { name, x, shape, count: files.length, range: [0, 1], ids, task: "none" });
}

/** x.npy and, where there is a second array of whole numbers, its labels. */
async function fromArrays(desk: Desk, files: readonly DataFile[]): Promise<Read> {
  const read = files.map((file) => ({ name: file.name, array: parseNpy(file.name, file.bytes) }));
  const [x, y] = read.sort((a, b) => b.array.data.length - a.array.data.length);
  if (read.length > 2) throw new Error(`at most two arrays, samples and labels, got ${read.length}`);
  return answered(desk, datasetFromArrays(x.name, x.array, y?.array));
}

/** Without labels the decisions of the network stand for them: radii and attacks are about these. */
async function answered(desk: Desk, samples: Dataset | Unlabelled): Promise<Read> {
  if (samples.task !== "none") return { data: samples, labelled: true };
  return { data: await labelledBy(modelOf(desk).network, desk.engine, samples), labelled: false };
}
