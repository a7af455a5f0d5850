/** @file Sizes that a model leaves free and a reader is told. */
import type { Port } from "../graph/network.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Shape, showShape } from "../tensor/shape.ts";

/**
 * Inputs with the sizes that are said, by name: `{ image: [1, 3, 64, 64] }`. A free first dimension that is said to be 1 stays free: it is the
 * batch. Throws UsageError for an input that is not there, or a size that the model fixes otherwise.
 */
export function shapedPorts(who: string, ports: readonly Port[], shapes: Readonly<Record<string, Shape>>): Port[] {
  const known = ports.map(({ name }) => name);
  const strange = Object.keys(shapes).find((name) => !known.includes(name));
  if (strange !== undefined) throw new UsageError(`${who}: its inputs are ${known.join(", ")}, got "${strange}"`);
  return ports.map((port): Port => {
    const said = Object.hasOwn(shapes, port.name) ? shapes[port.name] : undefined;
    if (said === undefined) return port;
    const fits =
      said.length === port.shape.length && port.shape.every((d, i) => typeof d === "string" || d === said[i]);
    if (!fits || said.some((d) => !Number.isInteger(d) || d < 1)) {
      const rule = `the shape of "${port.name}" must be ${showShape(port.shape)} with numbers for what is free`;
      throw new UsageError(`${who}: ${rule}, got ${showShape(said)}`);
    }
    const isBatch = (d: number | string, i: number) => i === 0 && typeof d === "string" && said[0] === 1;
    return { ...port, shape: port.shape.map((d, i) => (isBatch(d, i) ? d : said[i])) };
  });
}

/** How to say the sizes of an input that are free: `--shape image=1,3,N,N`. */
export const shapeWords = ({ name, shape }: Port): string =>
  `--shape ${name}=${shape.map((d, i) => (typeof d === "number" ? d : i === 0 ? 1 : "N")).join(",")}`;
