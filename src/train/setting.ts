/** @file Settings of a method as plain data: what a user may say, and the rule that it is held to. */
import { UsageError } from "../tensor/errors.ts";

/** One setting: how it reads in a help text, and the check of a value that came from outside. */
export interface Setting<T extends number | string = number | string> {
  /** One line, without the default. */
  readonly description: string;
  /** The default: its value, or words where it depends on something. */
  readonly otherwise: number | string;
  /** Is it a number, and are words turned into one before `check` sees them? */
  readonly kind: "number" | "word";
  /** The rule as JSON Schema. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** The value, or UsageError that names the setting and its rule. */
  check(name: string, value: unknown): T;
}

/** The option of a setting on the command line: betaWeight is --beta-weight. */
export const optionOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** A setting in words, with its default: `preset`, or the setting's own. */
export const settingLine = ({ description, otherwise }: Setting, preset: number | string = otherwise): string =>
  `${description}. Default: ${preset}`;

/** A finite number, >= min and above `above` where given, whole where told. */
export function numberSetting(
  description: string,
  otherwise: number | string,
  rule: { readonly min?: number; readonly above?: number; readonly max?: number; readonly whole?: boolean } = {},
): Setting<number> {
  const { min = Number.NEGATIVE_INFINITY, above = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = rule;
  const words = [
    rule.whole ? "a whole number" : "a number",
    ...(rule.min !== undefined ? [`>= ${min}`] : []),
    ...(rule.above !== undefined ? [`above ${above}`] : []),
    ...(rule.max !== undefined ? [`<= ${max}`] : []),
  ].join(" ");
  return {
    description,
    otherwise,
    kind: "number",
    schema: {
      type: rule.whole ? "integer" : "number",
      ...(rule.min !== undefined && { minimum: min }),
      ...(rule.above !== undefined && { exclusiveMinimum: above }),
      ...(rule.max !== undefined && { maximum: max }),
      description: `${description}. Default: ${otherwise}`,
    },
    check(name, value) {
      const fits = typeof value === "number" && Number.isFinite(value) && value >= min && value > above && value <= max;
      if (!fits || (rule.whole && !Number.isInteger(value)))
        throw new UsageError(`${name}: must be ${words}, got ${JSON.stringify(value)}`);
      return value as number;
    },
  };
}

/** One of a closed list of words. */
export function wordSetting<const T extends string>(
  description: string,
  otherwise: T,
  known: readonly T[],
): Setting<T> {
  return {
    description: `${known.join(" | ")}: ${description}`,
    otherwise,
    kind: "word",
    schema: { enum: known, description: `${description}. Default: ${otherwise}` },
    check(name, value) {
      const found = known.find((word) => word === value);
      if (found === undefined)
        throw new UsageError(`${name}: unknown ${JSON.stringify(value)}; known: ${known.join(", ")}`);
      return found;
    },
  };
}
