/** @file Progress bars on stderr, only where it is a terminal. */
import { MultiBar, Presets, type SingleBar } from "cli-progress";
import { printable } from "../tensor/printable.ts";

export interface Bar {
  /** Set how far it is, with a few words beside it. */
  at(value: number, words?: string): void;
  done(words?: string): void;
}

export interface Progress {
  bar(label: string, total: number): Bar;
  /** Leave the bars as they are and give the terminal back; may be called more than once. */
  stop(): void;
}

/** Bars if `wanted` and stderr is a terminal, else silence. */
export function openProgress(wanted: boolean): Progress {
  if (!(wanted && process.stderr.isTTY)) {
    return { bar: () => ({ at: () => undefined, done: () => undefined }), stop: () => undefined };
  }
  const format = "{label} {bar} {percentage}% {words}";
  let stopped = false;
  const bars = new MultiBar({ format, hideCursor: true, stream: process.stderr, barsize: 24 }, Presets.shades_classic);
  return {
    bar(label, total) {
      const bar: SingleBar = bars.create(total, 0, { label: printable(label).padEnd(28), words: "" });
      return {
        at: (value, words = "") => bar.update(value, { words: printable(words) }),
        done(words = "") {
          bar.update(total, { words: printable(words) });
          bar.stop();
        },
      };
    },
    stop() {
      // Stopping twice would draw the bars over what was printed since.
      if (!stopped) bars.stop();
      stopped = true;
    },
  };
}
