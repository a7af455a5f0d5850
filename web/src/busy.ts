/** @file A button that starts a job, turns into one that stops it, and says what went wrong. */
import { type Running, Stopped } from "./client.ts";
import { h } from "./dom.ts";
import type { Jobs, Kind } from "./protocol.ts";

export interface Action {
  readonly element: HTMLElement;
  /** Start by program, as if the button had been pressed. */
  press(): void;
  enable(may: boolean): void;
}

/** `begin` starts the job; `done` shows its result; `ended` is called in every case, after a stop too. What went wrong is shown beside the button. */
export function action<K extends Kind>(
  label: string,
  begin: () => Running<K>,
  done: (result: Jobs[K]["done"]) => void | Promise<void>,
  ended: () => void = () => {},
): Action {
  const button = h("button", { type: "button", onclick: () => press() }, label);
  const error = h("p", { class: "error", role: "alert" });
  let running: Running<K> | undefined;
  async function press(): Promise<void> {
    if (running) return running.stop();
    error.textContent = "";
    try {
      running = begin();
      button.textContent = "Stop";
      await done(await running.result);
    } catch (cause) {
      error.textContent = cause instanceof Stopped ? "Stopped; what was found so far holds." : (cause as Error).message;
    } finally {
      running = undefined;
      button.textContent = label;
      ended();
    }
  }
  return {
    element: h("div", { class: "action" }, button, error),
    press: () => void press(),
    enable(may) {
      button.disabled = !may;
    },
  };
}
