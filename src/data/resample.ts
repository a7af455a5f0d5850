/** @file Linear resampling of images, one axis after the other. Where an image shrinks, the triangle is as wide as what one new pixel covers, so that no old pixel is passed over. */

/** An image, `[channels, height, width]`, in [0,1]. */
export interface Picture {
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
}

/**
 * The image at another size, to within half a level of 255 what Pillow's `resize(..., BILINEAR)` gives, which rounds to whole levels.
 *
 * Pixel i of the new axis is the mean of the old ones with weights `max(0, 1 - |k + 1/2 - c| / s)`, c = (i + 1/2) * old / new, s = max(1, old / new).
 */
export function resample(picture: Picture, height: number, width: number): Picture {
  const { channels } = picture;
  const across = weights(picture.width, width);
  const down = weights(picture.height, height);
  const rows = new Float32Array(channels * picture.height * width);
  for (let row = 0; row < channels * picture.height; row++) {
    across.forEach(({ from, parts }, to) => {
      let sum = 0;
      for (let k = 0; k < parts.length; k++) sum += parts[k] * picture.data[row * picture.width + from + k];
      rows[row * width + to] = sum;
    });
  }
  const data = new Float32Array(channels * height * width);
  for (let c = 0; c < channels; c++) {
    down.forEach(({ from, parts }, to) => {
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let k = 0; k < parts.length; k++) sum += parts[k] * rows[(c * picture.height + from + k) * width + x];
        // Weights that were divided by their sum may add up to a little more than 1.
        data[(c * height + to) * width + x] = Math.min(1, sum);
      }
    });
  }
  return { channels, height, width, data };
}

// --- internal ---

interface Weights {
  /** The first old pixel that counts. */
  readonly from: number;
  readonly parts: readonly number[];
}

function weights(old: number, wanted: number): Weights[] {
  const ratio = old / wanted;
  const reach = Math.max(1, ratio);
  return Array.from({ length: wanted }, (_, i) => {
    const centre = (i + 0.5) * ratio;
    const from = Math.max(0, Math.trunc(centre - reach + 0.5));
    const to = Math.min(old, Math.trunc(centre + reach + 0.5));
    const raw = Array.from({ length: to - from }, (__, k) =>
      Math.max(0, 1 - Math.abs(from + k - centre + 0.5) / reach),
    );
    const total = raw.reduce((sum, w) => sum + w, 0);
    return { from, parts: raw.map((w) => w / total) };
  });
}
