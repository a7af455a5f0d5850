/** @file What an attack does, as plain data with nothing left out: it is what runs, what a record keeps and what is printed. */
import { UsageError } from "../tensor/errors.ts";
import type { Range } from "./ball.ts";
import type { AttackLoss } from "./loss.ts";

export const attackNames = ["fgsm", "pgd", "dlr", "deepfool", "shrink"] as const;

export type AttackName = (typeof attackNames)[number];

export const startNames = ["sample", "random", "relaxed"] as const;

/** Projected gradient ascent in balls of given radii. */
export interface Ascent {
  readonly name: "fgsm" | "pgd" | "dlr";
  readonly loss: AttackLoss;
  readonly steps: number;
  /** Length of a step as a part of the radius. */
  readonly step: number;
  /** Halve the step of a sample whose lowest margin has not fallen in so many steps; null keeps it. */
  readonly patience: number | null;
  /** m <- momentum m + g / ||g||_1 in place of the gradient; 0 for none. */
  readonly momentum: number;
  /**
   * Each run starts at the sample, at a point drawn uniformly from the ball, or where the linear walk's bound of the margin is lowest: run k of that to the class with the k-th largest output beside
   * the decision.
   */
  readonly start: (typeof startNames)[number];
  /** Runs; a sample whose decision has changed takes no part in the next. */
  readonly restarts: number;
}

/** The smallest perturbation, by steps onto the nearest linearised boundary. */
export interface Deepfool {
  readonly name: "deepfool";
  readonly steps: number;
  /** Other classes that are looked at: those with the largest scores on the sample. */
  readonly rivals: number;
  /** A step goes so many times as far as the boundary is. */
  readonly overshoot: number;
  /** Largest weight of the step from the sample itself in place of that from the current point; 0 for DeepFool as published. */
  readonly pull: number;
}

/** Make the smallest perturbation that any attack before it found smaller: ascent on the margin in a ball that is a little smaller. */
export interface Shrink {
  readonly name: "shrink";
  readonly rounds: number;
  /** Of a round. */
  readonly steps: number;
  /** How much smaller the ball is, as a part; halved for a sample after a round without success. */
  readonly by: number;
}

export type AttackSpec = Ascent | Deepfool | Shrink;

/** Everything that an attack depends on beside the network, the data and the engine. */
export interface Protocol {
  readonly norm: "2" | "inf";
  readonly radii: readonly number[];
  /** Perturbed samples are clipped to this range; null where there is none. */
  readonly range: Range | null;
  readonly seed: number;
  readonly attacks: readonly AttackSpec[];
}

type Settings<T> = Partial<Omit<T, "name">>;

/** One step of the whole radius from the sample. Reference: Goodfellow et al. 2015. */
export const fgsm = (settings: Settings<Ascent> = {}): Ascent =>
  checkAscent({
    name: "fgsm",
    loss: "cross-entropy",
    steps: 1,
    step: 1,
    patience: null,
    momentum: 0,
    start: "sample",
    restarts: 1,
    ...settings,
  });

/** Projected gradient ascent on the cross-entropy. Reference: Madry et al. 2018; momentum: Dong et al. 2018. */
export const pgd = (settings: Settings<Ascent> = {}): Ascent =>
  checkAscent({
    name: "pgd",
    loss: "cross-entropy",
    steps: 40,
    step: 0.25,
    patience: 5,
    momentum: 0,
    start: "random",
    restarts: 1,
    ...settings,
  });

/** The same on the difference-of-logits ratio, which no scale of the logits can mask. Reference: Croce and Hein 2020. */
export const dlr = (settings: Settings<Ascent> = {}): Ascent => ({ ...pgd({ loss: "dlr", ...settings }), name: "dlr" });

/** A search for the smallest perturbation. Reference: Moosavi-Dezfooli et al. 2016; the pull: Croce and Hein 2020 (FAB). */
export function deepfool(settings: Settings<Deepfool> = {}): Deepfool {
  const spec: Deepfool = { name: "deepfool", steps: 30, rivals: 9, overshoot: 1.02, pull: 0.1, ...settings };
  checkWhole("deepfool", "steps", spec.steps, 1);
  checkWhole("deepfool", "rivals", spec.rivals, 1);
  check("deepfool", "overshoot", spec.overshoot, spec.overshoot >= 1, ">= 1");
  check("deepfool", "pull", spec.pull, spec.pull >= 0 && spec.pull < 1, "from 0 to below 1");
  return spec;
}

/** A last pass over what other attacks found; alone it finds nothing. */
export function shrink(settings: Settings<Shrink> = {}): Shrink {
  const spec: Shrink = { name: "shrink", rounds: 5, steps: 10, by: 0.1, ...settings };
  checkWhole("shrink", "rounds", spec.rounds, 1);
  checkWhole("shrink", "steps", spec.steps, 1);
  check("shrink", "by", spec.by, spec.by > 0 && spec.by < 1, "between 0 and 1");
  return spec;
}

/** An attack by name, with its default settings. */
export function attackOf(name: AttackName): AttackSpec {
  switch (name) {
    case "fgsm":
      return fgsm();
    case "pgd":
      return pgd();
    case "dlr":
      return dlr();
    case "deepfool":
      return deepfool();
    case "shrink":
      return shrink();
    default:
      name satisfies never;
      throw new UsageError(`attack: unknown name "${name as string}"; known: ${attackNames.join(", ")}`);
  }
}

/** The protocol in words, a line for each attack and one for what they share. */
export function describeProtocol({ norm, radii, range, seed, attacks }: Protocol): string[] {
  const clip = range ? `clipped to [${range[0]}, ${range[1]}]` : "not clipped";
  const lines = attacks.map((spec) => `${spec.name}: ${describe(spec, norm)}`);
  return [
    ...lines,
    `all: l${norm}, radii ${radii.length > 0 ? radii.join(", ") : "none"}; perturbed samples ${clip}; a perturbation counts if the decision of the float32 network is not that on the sample, and by its length in float64, after bisection of the way back to the sample; seed ${seed}`,
  ];
}

// --- internal ---

function describe(spec: AttackSpec, norm: "2" | "inf"): string {
  switch (spec.name) {
    case "deepfool": {
      const pull =
        spec.pull > 0 ? `, after the first change mixed with the step from the sample by up to ${spec.pull}` : "";
      return `${spec.steps} steps of ${spec.overshoot} times the way to the nearest linearised boundary with ${spec.rivals} other classes${pull}`;
    }
    case "shrink":
      return `${spec.rounds} rounds of ${spec.steps} steps of ${0.5 * spec.by} x radius on the margin (halved after ${shrinkPatience} steps without a lower one) in a ball smaller by ${spec.by} than the smallest perturbation so far, halved after failure`;
    default: {
      const rule = spec.patience === null ? "" : `, halved after ${spec.patience} steps without a lower margin`;
      const momentum = spec.momentum > 0 ? `, momentum ${spec.momentum}` : "";
      const start = {
        sample: "from the sample",
        random: "from a uniform point of the ball",
        relaxed: "from where the linear walk's bound of the margin to another class is lowest",
      }[spec.start];
      const direction = norm === "2" ? "normalised gradient" : "sign of the gradient";
      const runs = spec.restarts === 1 ? "1 run" : `${spec.restarts} runs`;
      return `${spec.loss}, ${runs} of ${spec.steps} steps of ${spec.step} x radius along the ${direction} (random where it is 0)${rule}${momentum}, ${start}, projected on the ball after each step, stopped where the decision has changed`;
    }
  }
}

/** Steps of `shrink` after which a step that does not help is halved. */
export const shrinkPatience = 5;

function checkAscent(spec: Ascent): Ascent {
  checkWhole(spec.name, "steps", spec.steps, 1);
  checkWhole(spec.name, "restarts", spec.restarts, 1);
  check(spec.name, "step", spec.step, spec.step > 0, "above 0");
  check(spec.name, "momentum", spec.momentum, spec.momentum >= 0, ">= 0");
  if (spec.patience !== null) checkWhole(spec.name, "patience", spec.patience, 1);
  return spec;
}

function checkWhole(who: string, what: string, value: number, min: number): void {
  check(who, what, value, Number.isInteger(value) && value >= min, `a whole number >= ${min}`);
}

function check(who: string, what: string, value: number, holds: boolean, rule: string): void {
  if (!(holds && Number.isFinite(value))) throw new UsageError(`${who}: ${what} must be ${rule}, got ${value}`);
}
