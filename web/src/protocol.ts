/** @file What the page asks of its worker, and what the worker answers. Both are plain data that structured cloning carries. */
import type { AttackedSample, Bracket, Certification, Dataset, Gains, RunSpec, Verdict } from "lipschitz";
import type { Reported } from "lipschitz/report";

/** Larger models are refused before they are read: the page, the reader and the runtime each hold a copy. */
export const largestModel = 300e6;

export type NormWord = "2" | "1" | "inf";

/** An interval for each number of the input. */
export interface Box {
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** What a model says of itself, and its graph as far as the input reaches. */
export interface ModelFacts {
  readonly name: string;
  readonly sha256: string;
  readonly inputs: readonly {
    readonly name: string;
    readonly shape: readonly (number | string)[];
    readonly dtype: string;
  }[];
  readonly outputs: readonly string[];
  /** Numbers of one sample. */
  readonly size: number;
  readonly nodes: readonly GraphNode[];
}

export interface GraphNode {
  /** As layers of a bracket call it. */
  readonly name: string;
  readonly op: string;
  readonly shape: readonly number[];
  /** Places of its inputs among the nodes. */
  readonly from: readonly number[];
}

/** Each kind of job: what it is asked with, what it says on the way, what it ends with. */
export interface Jobs {
  warm: { ask: Record<never, never>; say: never; done: { readonly engine: string } };
  open: { ask: { readonly name: string; readonly bytes: Uint8Array }; say: never; done: ModelFacts };
  bound: {
    ask: {
      readonly norm: NormWord;
      readonly box?: Box;
      readonly seconds?: number;
      readonly methods?: readonly string[];
    };
    say: Bracket;
    done: Bracket;
  };
  gains: {
    ask: { readonly norm: NormWord; readonly box: Box; readonly gap: number; readonly seconds: number };
    /** How far the worst slope is above what is witnessed: 1 is closed. */
    say: number;
    done: Gains;
  };
  data: {
    ask: { readonly files: readonly DataFile[]; readonly example?: "digits" | "iris" };
    say: never;
    done: DataFacts;
  };
  certify: {
    ask: {
      readonly norm: NormWord;
      readonly radii: readonly number[];
      /** The first so many are certified, and the first so many of these attacked. */
      readonly samples: number;
      readonly attacked: number;
    };
    say: number;
    done: CertifiedFacts;
  };
  perturb: {
    ask: { readonly index: number; readonly distance: number; readonly towards: Direction; readonly seed: number };
    say: never;
    done: PerturbedFacts;
  };
  verify: { ask: { readonly certificate: string; readonly withData: boolean }; say: string; done: Verdict };
  train: { ask: TrainAsk; say: TrainWord; done: Reported };
  trap: { ask: { readonly name: TrapName; readonly seed: number }; say: never; done: { readonly words: string } };
  certificate: {
    ask: { readonly norm: NormWord; readonly radii: readonly number[]; readonly samples: number };
    say: number;
    done: { readonly json: string; readonly notes: readonly string[] };
  };
}

export type Kind = keyof Jobs;

export interface DataFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface DataFacts extends Pick<Dataset, "name" | "count" | "shape" | "classes" | "task"> {
  readonly labelled: boolean;
  /** What follows --data on the command line. */
  readonly words: readonly string[];
}

export interface CertifiedFacts {
  readonly certification: Certification;
  readonly attacked: readonly AttackedSample[];
  /** Of the first samples: the part that attacks left right, at each radius. */
  readonly left: readonly { readonly radius: number; readonly accuracy: number }[];
  readonly weakest: readonly {
    readonly index: number;
    readonly label: number;
    readonly becomes: number;
    readonly radius: number;
    readonly distance: number;
    readonly x: readonly number[];
    readonly perturbation: readonly number[];
  }[];
  readonly shape: readonly number[];
  readonly range: readonly [number, number] | null;
}

export interface PerturbedFacts {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly x: readonly number[];
  readonly moved: readonly number[];
}

/** Where a sample is moved to: anywhere, or along the smallest change that the attacks found. */
export type Direction = "noise" | "attack";

export type TrapName = "power" | "pool" | "units" | "batch";

export interface TrainAsk {
  readonly data: "two-moons" | "digits" | "dropped";
  readonly method: RunSpec["method"]["name"];
  readonly epochs: number;
  readonly seed: number;
}

/** On the way: what is carried out, how each epoch ended, the finished model, and how far the measuring after it is. */
export type TrainWord =
  | { readonly kind: "spec"; readonly spec: RunSpec }
  | { readonly kind: "epoch"; readonly state: TrainState }
  | { readonly kind: "model"; readonly bytes: Uint8Array }
  | { readonly kind: "measuring"; readonly what: string; readonly part: number };

export interface TrainState {
  readonly epoch: number;
  readonly loss: number;
  readonly accuracy: number | null;
  /** Proved, in l2. */
  readonly upper: number | null;
  readonly map: DecisionMap | null;
}

/** Of the drawing of a map, in pixels. */
export const mapSize = { width: 280, height: 220 } as const;

/** Of data in the plane: where which class is decided, and the balls that are certified. */
export interface DecisionMap {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  readonly cells: number;
  /** The decided class, row by row from the smallest y. */
  readonly classes: readonly number[];
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    readonly label: number;
    readonly radius: number;
  }[];
}

export type ToWorker =
  | { readonly [K in Kind]: { readonly id: number; readonly kind: K; readonly ask: Jobs[K]["ask"] } }[Kind]
  | { readonly id: number; readonly stop: true };

export type FromWorker =
  | { readonly id: number; readonly say: unknown }
  | { readonly id: number; readonly done: unknown }
  | { readonly id: number; readonly failed: string; readonly stopped: boolean }
  /** For want of memory: the worker is of no use any more. */
  | { readonly id: number; readonly exhausted: string };
