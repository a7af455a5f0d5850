/** @file One run in a process of its own, so that a comparison uses every CPU: it is told what to do by its parent, and says how far it is. */
import { nodeEngine } from "../engine/node.ts";
import type { RunSpec } from "../experiment/spec.ts";
import { partsOf } from "./data.ts";
import { describeFailure, type ExitCode } from "./errors.ts";
import { openFolder } from "./output.ts";
import type { Bar, Progress } from "./progress.ts";
import { resume } from "./resume.ts";

/** What a job is told. */
export interface Job {
  readonly spec: RunSpec;
  readonly folder: string;
  readonly dataDir?: string;
  /** After the method's name, beside the bar. */
  readonly label: string;
  /** Of ONNX Runtime. */
  readonly threads: number;
}

/** What a job says. */
export type Word =
  | { readonly kind: "bar"; readonly bar: number; readonly label: string; readonly total: number }
  | { readonly kind: "at"; readonly bar: number; readonly value: number; readonly words: string }
  | { readonly kind: "end"; readonly bar: number; readonly words: string }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly message: string; readonly code: ExitCode };

const say = (word: Word) => process.send?.(word);

/** Bars are the parent's: this only says how far they are, and not more often than anybody can see. */
function spokenProgress(): Progress {
  let bars = 0;
  return {
    bar(label, total): Bar {
      const bar = bars++;
      let last = 0;
      say({ kind: "bar", bar, label, total });
      return {
        at(value, words = "") {
          const now = performance.now();
          if (now - last < 100) return;
          last = now;
          say({ kind: "at", bar, value, words });
        },
        done: (words = "") => say({ kind: "end", bar, words }),
      };
    },
    stop: () => undefined,
  };
}

if (process.send) {
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort());
  // A parent that is gone wants nothing more.
  process.once("disconnect", () => process.exit(1));
  process.once("message", async ({ spec, folder, dataDir, label, threads }: Job) => {
    try {
      await openFolder(folder);
      const data = await partsOf(spec, dataDir);
      const engine = nodeEngine({ threads });
      await resume(spec, { engine, data, folder, label, progress: spokenProgress(), signal: controller.signal });
      say({ kind: "done" });
    } catch (error) {
      say({ kind: "failed", ...describeFailure(error) });
    }
    process.disconnect();
  });
}
