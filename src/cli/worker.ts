/** @file A process that does jobs for a pool: it is told one at a time by its parent, says how far it is, and answers. */

import type { Order, Word } from "../sweep/words.ts";
import { describeFailure, faultOf } from "./errors.ts";
import { type Carried, perform } from "./perform.ts";
import type { Bar, Progress } from "./progress.ts";

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
  let controller = new AbortController();
  // A terminal interrupts the parent and its processes, and the parent does so too.
  process.on("SIGINT", () => controller.abort());
  // A parent that is gone wants nothing more.
  process.once("disconnect", () => process.exit(1));
  const carried: Carried = {};
  process.on("message", async (order: Order) => {
    controller = new AbortController();
    try {
      const { signal } = controller;
      const done = await perform(order, { progress: spokenProgress(), signal, carried });
      say({ kind: "done", ...done });
    } catch (error) {
      say({ kind: "failed", ...describeFailure(error), fault: faultOf(error) });
    }
  });
}
