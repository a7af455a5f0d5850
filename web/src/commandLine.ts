/** @file The command line that does the same outside of the browser, with a button that copies it. */
import { h } from "./dom.ts";

export interface CommandLine {
  readonly element: HTMLElement;
  /** No command hides it. */
  show(command: string | null): void;
}

export function commandLine(): CommandLine {
  const code = h("code", {});
  const said = h("span", { role: "status", class: "quiet" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(code.textContent ?? "");
      said.textContent = "copied";
    } catch {
      // Without the right to the clipboard a person copies what is selected.
      getSelection()?.selectAllChildren(code);
      said.textContent = "selected: copy it with the keyboard";
    }
  };
  const button = h(
    "button",
    { type: "button", "aria-label": "Copy the command line", onclick: () => void copy() },
    "Copy",
  );
  const element = h("p", { class: "command", hidden: true }, code, " ", button, " ", said);
  return {
    element,
    show(command) {
      element.hidden = command === null;
      code.textContent = command ?? "";
      said.textContent = "";
    },
  };
}

/** A word of a command line, quoted where a shell would part or change it. */
export const quoted = (word: string): string =>
  /^[\w.,/:=@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
