/** @file The place to drop a model, examples for who has none, and what the model says of itself. */
import { field, fill, h } from "../dom.ts";
import { examples } from "../examples.ts";
import type { View } from "../page.ts";
import { largestModel } from "../protocol.ts";

export const modelView: View = ({ client, state, say }) => {
  const facts = h("div", { class: "facts" });
  const error = h("p", { class: "error", role: "alert" });
  const open = async (name: string, read: () => Promise<ArrayBuffer>) => {
    error.textContent = "";
    say(`Reading ${name} ...`);
    try {
      const bytes = new Uint8Array(await read());
      state.model.set(await client.start("open", { name, bytes }).result);
      say(`${name} is open.`);
    } catch (cause) {
      say("");
      error.textContent = (cause as Error).message;
    }
  };
  const picker = h("input", {
    type: "file",
    accept: ".onnx",
    onchange: () => picker.files?.[0] && take(picker.files[0]),
  });
  const take = (file: File) =>
    open(file.name, async () => {
      if (file.size <= largestModel) return file.arrayBuffer();
      const [own, most] = [file.size, largestModel].map((size) => `${Math.round(size / 1e6)} MB`);
      throw new Error(
        `${file.name}: ${own} are more than this page opens (${most}); the command line has no such limit`,
      );
    });
  const zone = h(
    "div",
    { class: "drop" },
    field("Drop an .onnx file here, or choose one", picker, "It stays on this machine."),
  );
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) void take(file);
  });
  state.model.watch((model) => {
    if (!model) return fill(facts, h("p", { class: "quiet" }, "No model is open."));
    const shape = (dimensions: readonly (number | string)[]) => `[${dimensions.join(", ")}]`;
    fill(
      facts,
      h(
        "dl",
        {},
        h("dt", {}, "model"),
        h("dd", {}, model.name),
        h("dt", {}, "input"),
        h("dd", {}, model.inputs.map((p) => `${p.name} ${p.dtype}${shape(p.shape)}`).join("; ")),
        h("dt", {}, "output"),
        h("dd", {}, model.outputs.join(", ")),
        h("dt", {}, "sha256"),
        h("dd", {}, h("code", { class: "hash" }, model.sha256)),
      ),
    );
  });
  return h(
    "div",
    {},
    zone,
    h(
      "p",
      { class: "examples" },
      "Or an example: ",
      examples.map(({ name, words, read }) =>
        h("button", { type: "button", class: "link", title: words, onclick: () => void open(name, read) }, name),
      ),
    ),
    error,
    facts,
  );
};
