/** @file Is what a file says said of the network that a command line names? The same bytes are another network behind another preprocessing, or with other inputs held. */
import type { Preprocessing } from "../data/preprocess.ts";
import { CliError } from "./errors.ts";

/** What a result says of its network; parts that are not there stand for none. */
export interface NetworkWords {
  readonly sha256: string;
  readonly preprocessing?: Preprocessing | undefined;
  /** Which inputs vary, and what the others are (`aboutInputs`). */
  readonly inputs?: readonly string[] | undefined;
  readonly fixed?: Readonly<Record<string, number | string>> | undefined;
}

/** CliError where `option file` is of another network than `model` as it was read. */
export function checkSameNetwork(
  { option, file, model }: { readonly option: string; readonly file: string; readonly model: string },
  theirs: NetworkWords,
  ours: NetworkWords,
): void {
  const refuse = (what: string, remedy: string) => {
    throw new CliError(`${option} ${file}: is of another ${what} than ${model} here; ${remedy}`);
  };
  if (theirs.sha256 !== ours.sha256) throw new CliError(`${option} ${file}: is of another model than ${model}`);
  if (preprocessingOf(theirs) !== preprocessingOf(ours))
    refuse("preprocessing", `give what it was made with: ${preprocessingOf(theirs)}`);
  if (inputsOf(theirs) !== inputsOf(ours)) refuse("choice of inputs", `give the --fix that it was made with`);
}

// --- internal ---

function preprocessingOf({ preprocessing: { scale, mean, std, layout } = {} }: NetworkWords): string {
  const words = [
    ...(scale === undefined ? [] : [`--scale ${scale}`]),
    ...(mean === undefined ? [] : [`--mean ${mean}`]),
    ...(std === undefined ? [] : [`--std ${std}`]),
    ...(layout === undefined ? [] : [`--layout ${layout}`]),
  ];
  return words.length > 0 ? words.join(" ") : "none";
}

const inputsOf = ({ inputs = [], fixed = {} }: NetworkWords): string =>
  JSON.stringify([inputs, Object.entries(fixed).sort(([a], [b]) => (a < b ? -1 : 1))]);
