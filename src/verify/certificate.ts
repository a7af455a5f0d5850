/** @file A certificate as plain data, read strictly: every field is known, every number is a number, and the digest is that of the rest. */
import type { Preprocessing } from "./read/network.ts";
import { must, NoWitness, Refusal } from "./refusal.ts";
import type { Witness } from "./witness.ts";

export interface SampleClaim {
  readonly index: number;
  /** What the sample is called where it comes from; not a claim. */
  readonly id?: string;
  readonly label: number;
  /** The class of the largest output; of outputs that are equal to within rounding, any of them. */
  readonly predicted: number;
  /** The output of the predicted class less the largest other one. */
  readonly margin: number;
  /** Within this distance the class stays, in exact arithmetic and in float32. Infinity is written as null. */
  readonly radius: number;
}

/** What certificate.json holds. */
export interface Certificate {
  /** Where the model was; not a claim. */
  readonly model: string;
  /** Of the model's bytes. */
  readonly sha256: string;
  readonly norm: "1" | "2" | "inf";
  /** Radii are in the units of the data before this. */
  readonly preprocessing: Preprocessing;
  readonly data: {
    readonly name: string;
    readonly sha256: string;
    readonly samples: number;
    readonly shape: readonly number[];
    /** Where labels are not given but the model's own decisions: then the accuracies claim nothing. */
    readonly labels?: "predictions";
    /** Not a claim. */
    readonly classNames?: readonly string[];
  };
  readonly constant: {
    readonly value: number;
    readonly method: string;
    readonly proved: true;
    /** K_yj of output y less output j. */
    readonly pairs?: readonly (readonly number[])[];
  };
  /** What a difference of two outputs may err by: run in doubles at a sample, and run in float32 anywhere within the radii. */
  readonly rounding: { readonly float64: number; readonly float32: number };
  readonly accuracy: number;
  readonly certified: readonly { readonly radius: number; readonly accuracy: number }[];
  readonly averageRadius: number;
  readonly samples: readonly SampleClaim[];
  readonly witness: Witness;
  readonly tool: { readonly name: string; readonly version: string };
  /** sha256 of the JSON of everything above. */
  readonly digest: string;
}

/** Read a certificate. Throws Refusal with the path of what is wrong, NoWitness where it says itself that it cannot be checked. */
export async function readCertificate(text: string): Promise<Certificate> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Refusal("the certificate: it is no JSON");
  }
  // One text for one certificate: no key twice, no digit that is lost in reading, no escapes.
  must(
    text.replace(/("(?:[^"\\]|\\.)*")|[ \t\r\n]+/g, "$1") === JSON.stringify(json),
    () => "the certificate: it is not written as JSON writes what it says",
  );
  if (isOther(json)) {
    const what = "it holds what is proved of a regression or of transformations, for which there is no second program";
    throw new NoWitness(`it is no certificate: ${what}`);
  }
  if (isUnverifiable(json)) throw new NoWitness(`it has no witness: ${String(json.unverifiable)}`);
  const whole = fields("$", json, Object.keys(shape));
  for (const [key, check] of Object.entries(shape)) check(`$.${key}`, whole[key]);
  const { digest, ...rest } = whole;
  must(digest === (await digestOf(rest)), () => "$.digest: something was altered after it was written");
  return reviveRadii(json as Certificate);
}

/** The digest that goes with a certificate. */
export const digestOf = (rest: Readonly<Record<string, unknown>>): Promise<string> =>
  sha256(new TextEncoder().encode(JSON.stringify(rest)));

/** In hexadecimal. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// --- internal ---

const isUnverifiable = (json: unknown): json is { readonly unverifiable: unknown } =>
  typeof json === "object" && json !== null && "unverifiable" in json;

/** Is it what `certify` writes of a regression (error bands) or of transformations (ranges)? */
const isOther = (json: unknown): boolean =>
  typeof json === "object" && json !== null && !("witness" in json) && ("bands" in json || "transforms" in json);

type Check = (path: string, value: unknown) => void;

const rule = (what: string, holds: (value: unknown) => boolean): Check => {
  return (path, value) => must(holds(value), () => `${path}: must be ${what}, got ${JSON.stringify(value)}`);
};

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const text = rule("a text", (v) => typeof v === "string");
const hash = rule("a sha256", (v) => typeof v === "string" && /^[0-9a-f]{64}$/.test(v));
const finite = rule("a number", isNumber);
const positive = rule("a number >= 0", (v) => isNumber(v) && v >= 0);
const radius = rule("a number >= 0 or null", (v) => v === null || (isNumber(v) && v >= 0));
const part = rule("between 0 and 1", (v) => isNumber(v) && v >= 0 && v <= 1);
const whole = rule("a whole number >= 0", (v) => Number.isSafeInteger(v) && (v as number) >= 0);
const oneOf = (...words: readonly unknown[]) => rule(`one of ${words.join(", ")}`, (v) => words.includes(v));

const list =
  (item: Check, least = 0): Check =>
  (path, value) => {
    must(Array.isArray(value) && value.length >= least, () => `${path}: must be a list`);
    value.forEach((v, i) => {
      item(`${path}[${i}]`, v);
    });
  };

const object =
  (members: Readonly<Record<string, Check>>, optional: Readonly<Record<string, Check>> = {}): Check =>
  (path, value) => {
    const own = fields(path, value, Object.keys(members), Object.keys(optional));
    for (const [key, check] of Object.entries({ ...members, ...optional })) {
      if (key in members || key in own) check(`${path}.${key}`, own[key]);
    }
  };

const affine = object({ to: text, from: list(object({ tensor: text, norm: positive }), 1) });

const block = object({ to: text, from: text, activation: text, multipliers: list(positive, 1), norm: positive });

const chain: Check = (path, value) => {
  if (value === null) return;
  const activation = object({ tensor: text, multipliers: list(positive) });
  object({ from: text, constant: positive, activations: list(activation, 1) })(path, value);
};

const shape: Readonly<Record<string, Check>> = {
  model: text,
  sha256: hash,
  norm: oneOf("1", "2", "inf"),
  preprocessing: object(
    {},
    {
      scale: (path, value) => (Array.isArray(value) ? list(finite, 1) : finite)(path, value),
      mean: list(finite, 1),
      std: list(positive, 1),
      layout: oneOf("nchw", "nhwc"),
    },
  ),
  data: object(
    { name: text, sha256: hash, samples: whole, shape: list(whole, 1) },
    { labels: oneOf("predictions"), classNames: list(text) },
  ),
  constant: object({ value: positive, method: text, proved: oneOf(true) }, { pairs: list(list(positive)) }),
  rounding: object({ float64: positive, float32: positive }),
  accuracy: part,
  certified: list(object({ radius: positive, accuracy: part })),
  averageRadius: radius,
  samples: list(object({ index: whole, label: whole, predicted: whole, margin: finite, radius }, { id: text })),
  witness: object({ blocks: list(block), affine: list(affine), chain }),
  tool: object({ name: text, version: text }),
  digest: hash,
};

function fields(
  path: string,
  value: unknown,
  required: readonly string[],
  optional: readonly string[] = [],
): Readonly<Record<string, unknown>> {
  must(typeof value === "object" && value !== null && !Array.isArray(value), () => `${path}: must be an object`);
  for (const key of required) must(Object.hasOwn(value, key), () => `${path}.${key}: is missing`);
  for (const key of Object.keys(value)) {
    must(required.includes(key) || optional.includes(key), () => `${path}.${key}: is not known`);
  }
  return value as Readonly<Record<string, unknown>>;
}

/** null stands for no limit. */
function reviveRadii(certificate: Certificate): Certificate {
  const revive = (r: number | null) => r ?? Number.POSITIVE_INFINITY;
  const samples = certificate.samples.map((s) => ({ ...s, radius: revive(s.radius) }));
  return { ...certificate, averageRadius: revive(certificate.averageRadius), samples };
}
