/** @file Everything that was found, saved as one file. */
import { openPen } from "lipschitz/report";
import { download, h } from "../dom.ts";
import type { View } from "../page.ts";
import { reportOf } from "../report.ts";

export const reportView: View = ({ state, say }) => {
  const save = h("button", { type: "button", onclick: () => void write() }, "Save the report");
  async function write(): Promise<void> {
    const text = reportOf(await openPen(), state);
    const model = state.model.get();
    if (text === null || !model) return;
    const name = `${model.name.replace(/\.onnx$/, "")}-report.html`;
    download(name, text, "text/html");
    say(`${name} is saved.`);
  }
  state.model.watch((model) => {
    save.disabled = model === null;
  });
  return h(
    "div",
    {},
    h(
      "p",
      { class: "quiet" },
      "What was found above as one HTML file without scripts: figures, verdicts, and the command lines that find it again.",
    ),
    save,
  );
};
