/** @file The form of JSON that is read back: what must be where. A file that a person has edited, or a disk has damaged, is refused with the path of the first fault. */
import { SpecError } from "../tensor/errors.ts";

/** Check a value that stands at a path; SpecError otherwise. */
export type Form = (value: unknown, path: string) => void;

const simple =
  (what: string, holds: (value: unknown) => boolean): Form =>
  (value, path) => {
    if (!holds(value)) throw new SpecError(`${path}: must be ${what}, got ${shown(value)}`);
  };

export const aNumber = simple("a number", (v) => typeof v === "number");
/** JSON has no infinities and shows null. */
export const aNumberOrNull = simple("a number or null", (v) => v === null || typeof v === "number");
export const aCount = simple("a whole number >= 0", (v) => Number.isSafeInteger(v) && (v as number) >= 0);
export const aWord = simple("text", (v) => typeof v === "string");
export const aTruth = simple("true or false", (v) => typeof v === "boolean");
export const anything: Form = () => undefined;

/** One of a few words. */
export const oneOf = (...words: readonly (string | number)[]): Form =>
  simple(`one of ${words.join(", ")}`, (v) => words.includes(v as string));

/** A list, each entry of a form; of a length if one is given. */
export const listOf =
  (entry: Form, length?: number): Form =>
  (value, path) => {
    if (!Array.isArray(value)) throw new SpecError(`${path}: must be a list, got ${shown(value)}`);
    if (length !== undefined && value.length !== length) {
      throw new SpecError(`${path}: must have ${length} entries, got ${value.length}`);
    }
    for (const [i, v] of value.entries()) entry(v, `${path}[${i}]`);
  };

/** An object that has these, and may have more. */
export const objectOf =
  (members: Readonly<Record<string, Form>>): Form =>
  (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new SpecError(`${path}: must be an object, got ${shown(value)}`);
    }
    for (const [name, form] of Object.entries(members))
      form((value as Record<string, unknown>)[name], `${path}.${name}`);
  };

export const orNull =
  (form: Form): Form =>
  (value, path) => {
    if (value !== null) form(value, path);
  };

export const orNothing =
  (form: Form): Form =>
  (value, path) => {
    if (value !== undefined) form(value, path);
  };

// --- internal ---

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}
