/** @file Samples that are images, as pictures in a page: their own colours, and numbers with signs in two. */
import type { Shape } from "../../tensor/shape.ts";
import { type Html, html } from "../html.ts";
import type { Pen } from "../plot.ts";

/** What is needed of data to draw them. */
export interface ImageForm {
  readonly shape: Shape;
  readonly range: readonly [number, number];
}

export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  readonly channels: number;
}

/** Are samples of this shape worth drawing? */
export const isImage = (shape: Shape): boolean =>
  shape.length === 3 && (shape[0] === 1 || shape[0] === 3) && shape[1] >= 4 && shape[2] >= 4;

export const nameOf = (names: readonly string[] | undefined, label: number): string => names?.[label] ?? String(label);

export const picture = (pen: Pen, image: Pixels, words: string): Html =>
  html`<img alt="${words}" title="${words}" width="${image.width}" height="${image.height}" src="${`data:image/png;base64,${base64(pen.png(image))}`}">`;

/** Numbers of [channels, height, width] in a range as grey or colour. */
export function pixels(
  values: ArrayLike<number>,
  { shape: [channels, height, width], range: [low, high] }: ImageForm,
): Pixels {
  const data = new Uint8Array(values.length);
  const size = height * width;
  for (let at = 0; at < values.length; at++) {
    const part = Math.min(1, Math.max(0, (values[at] - low) / (high - low)));
    data[(at % size) * channels + Math.trunc(at / size)] = Math.round(255 * part);
  }
  return { width, height, channels, data };
}

/** Changes, over channels together: blue below 0, orange above, and the paper's own colour at 0. */
export function signed(
  values: ArrayLike<number>,
  most: number,
  { shape: [channels, height, width] }: Pick<ImageForm, "shape">,
): Pixels {
  const size = height * width;
  const data = new Uint8Array(4 * size);
  for (let at = 0; at < size; at++) {
    let largest = 0;
    for (let c = 0; c < channels; c++) {
      const v = values[c * size + at];
      if (Math.abs(v) > Math.abs(largest)) largest = v;
    }
    const color = largest < 0 ? [0, 114, 178] : [213, 94, 0];
    data.set([...color, Math.round((255 * Math.min(Math.abs(largest), most)) / most)], 4 * at);
  }
  return { width, height, channels: 4, data };
}

// --- internal ---

const base64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
