/** @file Where a bound shall hold, as a user types it: --center FILE --radius R, or --box. */
import type { ArgsDef } from "citty";
import type { Domain } from "../bounds/domain.ts";
import { parseNpy } from "../data/npy.ts";
import { ReadError } from "../tensor/errors.ts";
import { CliError } from "./errors.ts";
import { readBytes } from "./files.ts";
import { parseList, parseNumber } from "./options.ts";

export const domainOptions = {
  center: {
    type: "string",
    description: "Only in a ball around the point in this file (.npy, .json, or numbers as text)",
    valueHint: "FILE",
  },
  radius: { type: "string", description: "Radius of the ball", valueHint: "R" },
  ball: { type: "enum", options: ["2", "inf"], description: "Norm of the ball. Default: 2" },
  box: {
    type: "string",
    description: "Only in a box: LO,HI for all inputs, or LO:HI for each, by commas (write --box=-1,1)",
    valueHint: "LO,HI",
  },
} as const satisfies ArgsDef;

export interface DomainWords {
  readonly center?: string;
  readonly radius?: string;
  readonly ball?: string;
  readonly box?: string;
}

/** The domain of an input of `size` numbers; undefined where none is asked for. */
export async function parseDomain(words: DomainWords, size: number): Promise<Domain | undefined> {
  const { center, radius, ball, box } = words;
  if (box !== undefined) {
    if (center !== undefined || radius !== undefined)
      throw new CliError("--box: is one domain, --center and --radius another; give one");
    return boxOf(box, size);
  }
  if (center === undefined && radius === undefined) {
    if (ball !== undefined) throw new CliError("--ball: needs --center FILE and --radius R");
    return undefined;
  }
  if (center === undefined || radius === undefined)
    throw new CliError("--center FILE and --radius R: each needs the other");
  const point = await pointOf(center);
  if (point.length !== size)
    throw new CliError(`--center: the network takes ${size} numbers, ${center} holds ${point.length}`);
  return {
    kind: "ball",
    center: point,
    radius: parseNumber("--radius", radius, { min: 0 }),
    norm: ball === "inf" ? "inf" : 2,
  };
}

/** A box from its words. */
export function boxOf(words: string, size: number): Domain & { readonly kind: "box" } {
  const number = (word: string) => parseNumber("--box", word);
  if (!words.includes(":")) {
    const ends = parseList("--box", words, (_, word) => number(word));
    if (ends.length !== 2) throw new CliError(`--box: must be LO,HI, got "${words}"`);
    return { kind: "box", low: new Float64Array(size).fill(ends[0]), high: new Float64Array(size).fill(ends[1]) };
  }
  const pairs = parseList("--box", words, (_, word) => word.split(":").map(number));
  if (pairs.length !== size || pairs.some((p) => p.length !== 2)) {
    throw new CliError(`--box: must be ${size} pairs LO:HI by commas, one for each input, got "${words}"`);
  }
  return { kind: "box", low: pairs.map(([low]) => low), high: pairs.map(([, high]) => high) };
}

// --- internal ---

async function pointOf(file: string): Promise<number[]> {
  const bytes = await readBytes(file);
  if (file.endsWith(".npy")) return Array.from(parseNpy(file, bytes).data, Number);
  const text = new TextDecoder().decode(bytes);
  const words = text.replace(/[[\],;]/g, " ").match(/\S+/g) ?? [];
  if (words.length === 0) throw new ReadError(`${file}: must hold numbers, got none`);
  const numbers = words.map(Number);
  const wrong = numbers.findIndex((n) => !Number.isFinite(n));
  if (wrong >= 0) throw new ReadError(`${file}: must hold numbers, got "${words[wrong]}"`);
  return numbers;
}
