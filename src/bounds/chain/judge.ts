/**
 * @file What a search over multipliers goes down on: their value in logarithms, on the engine where layers are wide enough for it, and in
 * plain loops elsewhere. Weights of the inputs, where these are sought too, come before the multipliers.
 */
import type { Engine } from "../../engine/engine.ts";
import type { Budget } from "../budget.ts";
import { type DescentPoint, descend, type Objective, type Sample } from "./descent.ts";
import { type ChainForm, formWork } from "./form.ts";
import { type ChainValue, chainValue, type Outputs } from "./gradient.ts";
import type { Multipliers } from "./matrix.ts";
import { chainProgram, type Inputs } from "./program.ts";
import { weighedValue } from "./weigh.ts";

export interface Judge {
  /** The value and its gradient at logarithms, end to end; nothing where they are not feasible. */
  at(x: Float64Array): Promise<Sample | undefined>;
  /** Multiply-adds in plain loops that take as long as `at` does, roughly. */
  readonly cost: number;
  dispose(): Promise<void>;
}

export interface JudgeOptions {
  readonly outputs: Outputs;
  readonly inputs: Inputs;
  /** Plain loops unless told. */
  readonly engine?: Engine | undefined;
}

/** Judge multipliers of a form by `chainValue`, or with weights of its inputs by `weighedValue`. */
export async function judgeOf(form: ChainForm, doublings: number, options: JudgeOptions): Promise<Judge> {
  const { outputs, inputs, engine } = options;
  const sizes = sizesOf(form, inputs);
  const program = engine && (await chainProgram(engine, form, doublings, { outputs, inputs }));
  const plain = (parts: Multipliers): ChainValue | undefined => {
    if (inputs === "alike") return chainValue(form, parts, doublings, { outputs });
    const [q, ...multipliers] = parts;
    return weighedValue(form, { q, multipliers }, doublings, outputs);
  };
  const outs = form.weights[form.weights.length - 1].rows;
  const work = 2 * formWork(form) + (outputs === "together" ? (doublings * outs ** 3) / 4 : 0);
  return {
    // A call to the engine takes a while, however small.
    cost: program ? 3e5 + work / 3 : 1e4 + work,
    async at(x) {
      const parts = exponentials(x, sizes);
      const made = program ? await program.value(parts) : plain(parts);
      return made && { value: made.value, gradient: joined(made.gradient) };
    },
    dispose: async () => program?.dispose(),
  };
}

/** Where the engine is the faster way, two to three times (`bench/lipsdp.ts`); on narrower layers calls to it cost more than they save. */
export const isWide = ({ weights }: ChainForm): boolean => weights.some(({ rows }) => rows >= widthForEngine);

/** Go down from a point until ten steps gain less than `gain`, or time is out; undefined where the point is not feasible. */
export async function goDown(
  judge: Pick<Judge, "at" | "cost">,
  from: Float64Array,
  clock: Budget,
  gain: number,
  onPoint: (point: DescentPoint) => void = () => {},
): Promise<Float64Array | undefined> {
  clock.spend(judge.cost);
  const first = await judge.at(from);
  if (first === undefined) return undefined;
  const objective: Objective = async (x) => {
    await clock.pause();
    if (x === from) return first;
    if (clock.expired) return undefined;
    clock.spend(judge.cost);
    return judge.at(x);
  };
  const values: number[] = [];
  let last = from;
  for await (const point of descend(objective, from)) {
    values.push(point.value);
    last = point.x;
    onPoint(point);
    if (clock.expired || (values.length > 10 && values[values.length - 11] - point.value < gain)) break;
  }
  return last;
}

/** How many numbers there are of each kind: weights of the inputs if they are sought, then multipliers layer by layer. */
export const sizesOf = ({ weights, sectors }: ChainForm, inputs: Inputs): readonly number[] => [
  ...(inputs === "weighed" ? [weights[0].cols] : []),
  ...sectors.map(({ mu }) => mu.length),
];

/** End to end. */
export const joined = (parts: readonly Float64Array[]): Float64Array =>
  Float64Array.from(parts.flatMap((p) => Array.from(p)));

/** The logarithms end to end. */
export const logarithms = (parts: readonly Float64Array[]): Float64Array => joined(parts).map((v) => Math.log(v));

/** The mirror of `logarithms`. */
export function exponentials(x: Float64Array, sizes: readonly number[]): readonly Float64Array[] {
  let at = 0;
  return sizes.map((n) => {
    at += n;
    return x.subarray(at - n, at).map((v) => Math.exp(v));
  });
}

// --- internal ---

const widthForEngine = 64;
