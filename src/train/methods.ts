/** @file The table of training methods, by the names that users type, each with the settings that it takes. A new method is one entry. */
import { UsageError } from "../tensor/errors.ts";
import { adversarialTraining } from "./adversarial.ts";
import { clip, clipAscents, clipPenalties } from "./clip.ts";
import { layerKinds, lbdn } from "./lbdn.ts";
import { lcnn } from "./lcnn.ts";
import { lmt, marginForms, normKinds } from "./lmt.ts";
import type { Method } from "./method.ts";
import { pairStarts } from "./pairSet.ts";
import { cure, gradReg, softplusDecay } from "./penalty.ts";
import { plain, weightDecay } from "./plain.ts";
import { numberSetting, type Setting, wordSetting } from "./setting.ts";
import { matchKinds, sobolev, type Target } from "./sobolev.ts";
import { weightPenalty } from "./weightPenalty.ts";

type Rules = Readonly<Record<string, Setting>>;
type Values<R extends Rules> = { readonly [K in keyof R]?: R[K] extends Setting<infer T> ? T : never };

/** A method of the table. */
interface Entry {
  /** What may be set, by name. */
  readonly settings: Rules;
  build(values: Readonly<Record<string, number | string>>, target?: Target): Method;
}

/** Settings of a penalty whose weight follows the discrepancy rule. */
const discrepancySettings = (increment: number) => ({
  goal: numberSetting("Training accuracy to keep while the penalty grows", "none, and the weight is fixed,", {
    above: 0,
    max: 1,
  }),
  weight: numberSetting("First weight of the penalty", 0, { min: 0 }),
  increment: numberSetting("What the weight moves by after an epoch", increment, { above: 0 }),
  warmup: numberSetting("Epochs without penalty", 0, { min: 0, whole: true }),
  cooldown: numberSetting("Epochs between moves of the weight", 0, { min: 0, whole: true }),
});

const table = {
  plain: entry({}, plain),
  "weight-decay": entry(
    { decay: numberSetting("Weight decay", "0.5 with adam, 5e-4 with sgd", { min: 0 }) },
    weightDecay,
  ),
  clip: entry(
    {
      ...discrepancySettings(0.05),
      pairs: numberSetting("Pairs", "a quarter of the batch", { min: 1, whole: true }),
      worst: numberSetting("How many of the steepest pairs count", 1, { min: 1, whole: true }),
      penalty: wordSetting("what is penalised", "quotient", clipPenalties),
      step: numberSetting("Step size of the pairs", 1, { above: 0 }),
      ascent: wordSetting("how pairs climb", "plain", clipAscents),
      start: wordSetting("how pairs begin", "noisy", pairStarts),
      respawn: numberSetting("Probability of a pair to begin anew in a step", 0, { min: 0, max: 1 }),
    },
    clip,
  ),
  "weight-penalty": entry(discrepancySettings(1e-4), weightPenalty),
  lbdn: entry(
    {
      gamma: numberSetting("The Lipschitz constant in l2 that holds for all parameters", 1, { above: 0 }),
      bound: wordSetting("whether log gamma is learnt with the weights", "fixed", ["fixed", "learnt"]),
      layer: wordSetting("kind of layers", "sandwich", layerKinds),
      last: wordSetting("norm 1 of the last map as a whole, or of each output", "bounded", ["bounded", "normalized"]),
    },
    lbdn,
  ),
  lcnn: entry(
    {
      betaWeight: numberSetting("Weight of the sum of the activations' curvatures beta", 0.01, { min: 0 }),
      gammaWeight: numberSetting("Weight of the sum of |log gamma| of the layers' gains", 0.1, { min: 0 }),
      gradientWeight: numberSetting("Weight of the squared gradient in the input", 0, { min: 0 }),
    },
    lcnn,
  ),
  "grad-reg": entry(
    { gradientWeight: numberSetting("Weight of the squared gradient in the input", 0.1, { min: 0 }) },
    gradReg,
  ),
  cure: entry(
    {
      curvatureWeight: numberSetting("Weight of the squared change of the gradient", 0.1, { min: 0 }),
      distance: numberSetting("How far apart the gradients are taken, in l2", 1, { above: 0 }),
    },
    cure,
  ),
  sobolev: entry(
    {
      order: numberSetting("The highest derivative that is matched", 1, { min: 0, max: 2, whole: true }),
      derivativeWeight: numberSetting("Weight of every derivative's term", 1, { min: 0 }),
      directions: numberSetting("Random directions of a sample in a step; 0 for all of every derivative", 0, {
        min: 0,
        whole: true,
      }),
      match: wordSetting("what is compared", "outputs", matchKinds),
    },
    ({ derivativeWeight, ...values }, target) =>
      sobolev({
        ...values,
        ...(derivativeWeight !== undefined && { weight: derivativeWeight }),
        ...(target && { target }),
      }),
  ),
  "softplus-decay": entry(
    {
      beta: numberSetting("Of the softplus that stands for every activation", 10, { above: 1e-3 }),
      decay: numberSetting("Weight decay", "0.5 with adam, 5e-4 with sgd", { min: 0 }),
    },
    softplusDecay,
  ),
  adversarial: entry(
    {
      radius: numberSetting("Of the l2 ball that samples are moved in", "0.1, or 0 beside a transformation", {
        min: 0,
      }),
      steps: numberSetting("Steps of the attack in the ball", 3, { min: 1, whole: true }),
      rotation: numberSetting("Turn images by angles up to so many degrees", 0, { min: 0, max: 180 }),
      translation: numberSetting("Shift images by up to so many pixels along each axis", 0, { min: 0 }),
      scaling: numberSetting("Grow and shrink images by up to this part", 0, { min: 0, max: 0.9 }),
      tries: numberSetting("Transformations drawn, of which the worst counts", 4, { min: 1, whole: true }),
    },
    adversarialTraining,
  ),
  lmt: entry(
    {
      c: numberSetting("Distance that margins shall last for", 1, { min: 0 }),
      form: wordSetting("margins by pair of classes, one for all, or GloRo's further class", "pairs", marginForms),
      norms: wordSetting("norms inside the step", "power", normKinds),
      ramp: numberSetting("Epochs in which c grows from 1e-5", 1, { min: 0 }),
    },
    lmt,
  ),
} as const satisfies Readonly<Record<string, Entry>>;

export type MethodName = keyof typeof table;

export const methodNames = Object.keys(table) as readonly MethodName[];

/** A method as plain data: its name, and what is set of it beside the defaults. */
export interface MethodSpec {
  readonly name: MethodName;
  readonly [setting: string]: number | string;
}

/** The settings of a method, by name. */
export const settingsOf = (name: MethodName): Rules => table[name].settings;

/** Does a method learn from a teacher? */
export const takesTeacher = (name: MethodName): boolean => name === "sobolev";

/** Build the method of a spec, with the function that a teacher is. Throws UsageError on an unknown name or setting, a value against its rule, or a teacher that it does not take. */
export function buildMethod({ name, ...values }: MethodSpec, target?: Target): Method {
  const found: Entry | undefined = Object.hasOwn(table, name) ? table[name] : undefined;
  if (!found) throw new UsageError(`method: unknown name "${name}"; known: ${methodNames.join(", ")}`);
  if (target && !takesTeacher(name)) throw new UsageError(`method: ${name} takes no teacher; sobolev does`);
  return found.build(values, target);
}

// --- internal ---

function entry<R extends Rules>(settings: R, build: (values: Values<R>, target?: Target) => Method): Entry {
  return {
    settings,
    build(values, target) {
      for (const [name, value] of Object.entries(values)) {
        const rule = Object.hasOwn(settings, name) ? settings[name] : undefined;
        if (!rule) {
          const known = Object.keys(settings).join(", ") || "none";
          throw new UsageError(`method: unknown setting "${name}"; known: ${known}`);
        }
        rule.check(name, value);
      }
      return build(values as Values<R>, target);
    },
  };
}
