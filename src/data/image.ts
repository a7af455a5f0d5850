/** @file One image file as numbers in [0,1]: PNG of any depth, JPEG; grey or colour as asked, resized and cropped. */
import { ReadError, UsageError } from "../tensor/errors.ts";
import { type Picture, resample } from "./resample.ts";

/** How images become samples; in this order. */
export interface ImageOptions {
  /** Default: as the files are. Grey of a colour image is its luma (ITU-R 601), colour of a grey one is three times the same. */
  readonly color?: "grey" | "rgb" | undefined;
  /** [height, width], or a number for the shorter side. Linear with the whole area of a pixel counted, as Pillow and torchvision do. */
  readonly resize?: number | readonly [number, number] | undefined;
  /** [height, width] of the middle. */
  readonly crop?: readonly [number, number] | undefined;
}

/** What makes pixels of the bytes of a JPEG file; it is handed in because its code is fetched differently in Node and in a browser. */
export type JpegDecoder = (bytes: Uint8Array) => Promise<{
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, alpha. */
  readonly data: ArrayLike<number>;
}>;

/** Decode an image file by what it begins with. Transparency is left out, as if there were none. Throws `ReadError`. */
export async function decodeImage(who: string, bytes: Uint8Array, jpeg: JpegDecoder): Promise<Picture> {
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return decodePng(who, bytes);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) {
    const grey = componentsOf(bytes) === 1;
    const { width, height, data } = await jpeg(bytes).catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ReadError(`${who}: must be a whole JPEG file, got: ${why}`, { cause });
    });
    return planes({ width, height, data, stride: 4, channels: grey ? 1 : 3, most: 255 });
  }
  throw new ReadError(`${who}: an image must be a PNG or JPEG file, got other bytes`);
}

/** Bring an image to the colours and the size that are asked for. Throws `UsageError` where a crop is larger than the image. */
export function prepareImage(who: string, picture: Picture, { color, resize, crop }: ImageOptions): Picture {
  const coloured = color === undefined ? picture : color === "grey" ? toGrey(picture) : toColor(picture);
  const sized = resize === undefined ? coloured : resample(coloured, ...sizeFor(coloured, resize));
  return crop === undefined ? sized : middle(who, sized, crop);
}

// --- internal ---

async function decodePng(who: string, bytes: Uint8Array): Promise<Picture> {
  const { decode, convertIndexedToRgb } = await import("fast-png");
  try {
    const png = decode(bytes);
    const { width, height } = png;
    if (png.palette) {
      const stride = png.palette[0].length;
      return planes({ width, height, data: convertIndexedToRgb(png), stride, channels: 3, most: 255 });
    }
    const channels = png.channels >= 3 ? 3 : 1;
    const data = png.depth < 8 ? unpackBits(png.data, png.depth, width, height) : png.data;
    return planes({ width, height, data, stride: png.channels, channels, most: 2 ** png.depth - 1 });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ReadError(`${who}: must be a whole PNG file, got: ${why}`, { cause });
  }
}

/** Grey of 1, 2 or 4 bits, each row filled up to whole bytes. */
function unpackBits(bytes: ArrayLike<number>, depth: number, width: number, height: number): number[] {
  const perRow = Math.ceil((width * depth) / 8);
  return Array.from({ length: width * height }, (_, i) => {
    const bit = (i % width) * depth;
    const byte = bytes[Math.floor(i / width) * perRow + (bit >> 3)];
    return (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
  });
}

interface Interleaved {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
  /** Numbers a pixel. */
  readonly stride: number;
  readonly channels: 1 | 3;
  readonly most: number;
}

function planes({ width, height, data, stride, channels, most }: Interleaved): Picture {
  const size = width * height;
  const own = new Float32Array(channels * size);
  for (let c = 0; c < channels; c++) for (let i = 0; i < size; i++) own[c * size + i] = data[i * stride + c] / most;
  return { channels, height, width, data: own };
}

/** Colour components of a JPEG file, from its frame header. */
function componentsOf(bytes: Uint8Array): number | undefined {
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return bytes[at + 9];
    at += 2 + bytes[at + 2] * 256 + bytes[at + 3];
  }
  return undefined;
}

function toGrey({ channels, height, width, data }: Picture): Picture {
  if (channels === 1) return { channels, height, width, data };
  const size = height * width;
  const grey = Float32Array.from({ length: size }, (_, i) => {
    return 0.299 * data[i] + 0.587 * data[size + i] + 0.114 * data[2 * size + i];
  });
  return { channels: 1, height, width, data: grey.map((v) => Math.min(1, v)) };
}

function toColor({ channels, height, width, data }: Picture): Picture {
  if (channels === 3) return { channels, height, width, data };
  const three = new Float32Array(3 * data.length);
  for (let c = 0; c < 3; c++) three.set(data, c * data.length);
  return { channels: 3, height, width, data: three };
}

/** Where one number is given it is the shorter side; the longer one keeps its proportion, rounded down as torchvision does. */
function sizeFor({ height, width }: Picture, resize: number | readonly [number, number]): readonly [number, number] {
  if (typeof resize !== "number") return resize;
  return height <= width
    ? [resize, Math.trunc((resize * width) / height)]
    : [Math.trunc((resize * height) / width), resize];
}

function middle(who: string, picture: Picture, [height, width]: readonly [number, number]): Picture {
  if (height > picture.height || width > picture.width) {
    const got = `${height}x${width} of ${picture.height}x${picture.width}`;
    throw new UsageError(`${who}: a crop must not be larger than the image, got ${got}; resize it first`);
  }
  // Half to even, as Python rounds.
  const start = (all: number, part: number) => {
    const half = (all - part) / 2;
    return Number.isInteger(half) ? half : 2 * Math.round(half / 2);
  };
  const [top, left] = [start(picture.height, height), start(picture.width, width)];
  const size = picture.height * picture.width;
  const data = new Float32Array(picture.channels * height * width);
  for (let c = 0; c < picture.channels; c++) {
    for (let y = 0; y < height; y++) {
      const from = c * size + (top + y) * picture.width + left;
      data.set(picture.data.subarray(from, from + width), (c * height + y) * width);
    }
  }
  return { channels: picture.channels, height, width, data };
}
