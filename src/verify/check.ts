/** @file One check of a certificate, and the line that says how it went. */

export interface CheckLine {
  readonly what: string;
  readonly holds: boolean;
  /** What was found, or why it does not hold. */
  readonly detail: string;
  readonly seconds: number;
}

/** Carry out a check and note its line; throws what it throws. */
export type Check = <T>(what: string, run: () => Promise<readonly [T, string]> | readonly [T, string]) => Promise<T>;
