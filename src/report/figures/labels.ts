/** @file Names beside the rows of a figure: those that are long lose their middle. */

/** At most twenty letters of a name. */
export const short = (text: string): string => (text.length > 20 ? `${text.slice(0, 9)}…${text.slice(-10)}` : text);

/** Room for the longest of some names, as wide letters go. */
export const labelWidth = (texts: readonly string[]): number =>
  14 + 8.6 * Math.max(...texts.map((t) => short(t).length));
