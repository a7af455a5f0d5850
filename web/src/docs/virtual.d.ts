declare module "virtual:examples" {
  /** By page and place on it; importing one runs it. */
  export const examples: Readonly<Record<string, () => Promise<unknown>>>;
}
