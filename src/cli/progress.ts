/** @file Progress on stderr: bars where it is a terminal, otherwise a line every ten seconds, so that a log shows that something goes on. */
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

/** Between two lines, in milliseconds. */
const PAUSE = 10_000;

/** Bars or lines if `wanted`, else silence. */
export function openProgress(wanted: boolean): Progress {
  if (!wanted) return { bar: () => ({ at: () => undefined, done: () => undefined }), stop: () => undefined };
  return process.stderr.isTTY ? openBars() : openLines((line) => process.stderr.write(`${line}\n`), PAUSE);
}

/** A line of all that is under way, each `pause` milliseconds: "[ 20 s] certify 43 %". */
export function openLines(write: (line: string) => void, pause: number): Progress {
  const started = performance.now();
  const open = new Map<number, string>();
  let count = 0;
  const timer = setInterval(() => {
    if (open.size === 0) return;
    const seconds = String(Math.round((performance.now() - started) / 1000)).padStart(3);
    write(`[${seconds} s] ${[...open.values()].join("; ")}`);
  }, pause);
  // The lines are no reason to go on.
  timer.unref();
  return {
    bar(label, total) {
      const own = count++;
      const show = (value: number, words = "") => {
        const part = Math.min(100, Math.floor((100 * value) / total));
        open.set(
          own,
          printable(`${label} ${part} %${words.trim() === "" ? "" : `, ${words.trim().replace(/ +/g, " ")}`}`),
        );
      };
      show(0);
      return {
        at: show,
        done() {
          open.delete(own);
        },
      };
    },
    stop: () => clearInterval(timer),
  };
}

// --- internal ---

function openBars(): Progress {
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
