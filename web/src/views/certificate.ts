/** @file Certificates: one made of what is open, and any checked by the checker alone. */
import { action } from "../busy.ts";
import { commandLine, quoted } from "../commandLine.ts";
import { download, field, fill, h, normChoice } from "../dom.ts";
import type { View } from "../page.ts";
import type { NormWord } from "../protocol.ts";

export const certificateView: View = ({ client, state, say }) => {
  const norm = normChoice();
  const most = h("input", { type: "number", min: 1, placeholder: "all" });
  const lines = h("ul", { class: "checks" });
  const verdict = h("p", { class: "verdict", role: "status" });
  const file = h("input", { type: "file", accept: ".json" });
  const withData = h("input", { type: "checkbox", checked: true });
  const line = commandLine();
  const command = () => {
    const [model, data] = [state.model.get(), state.data.get()];
    if (!model) return null;
    const samples = withData.checked && data ? `--data ${data.words.map(quoted).join(" ")}` : "--no-data";
    return `npx lipschitz verify certificate.json ${quoted(model.name)} ${samples}`;
  };
  const words = () => line.show(command());
  withData.addEventListener("change", words);
  let text = "";
  const make = action<"certificate">(
    "Make a certificate of the open samples",
    () =>
      client.start("certificate", {
        norm: norm.value as NormWord,
        radii: [0.1, 0.3, 0.5, 1],
        samples: Number(most.value) || Number.MAX_SAFE_INTEGER,
      }),
    ({ json, notes }) => {
      text = json;
      download("certificate.json", json, "application/json");
      say(["The certificate is saved.", ...notes].join(" "));
    },
  );
  const check = action<"verify">(
    "Verify",
    () => {
      fill(lines);
      verdict.textContent = "";
      return client.start("verify", { certificate: text, withData: withData.checked && state.data.get() !== null });
    },
    (found) => {
      const { holds, checks } = found;
      state.verdict.set({ found, command: command() ?? "" });
      fill(
        lines,
        checks.map((c) =>
          h(
            "li",
            { class: c.holds ? "ok" : "fails" },
            h("b", {}, c.holds ? "holds: " : "FAILS: "),
            `${c.what}: ${c.detail}`,
          ),
        ),
      );
      const samples = checks.some((c) => c.what === "samples") ? "" : " The samples were not checked.";
      verdict.textContent = holds ? `The certificate holds.${samples}` : "The certificate does not hold.";
    },
  );
  file.addEventListener("change", async () => {
    text = (await file.files?.[0]?.text()) ?? "";
    check.press();
  });
  const ready = () => {
    make.enable(state.model.get() !== null && state.data.get() !== null);
    check.enable(state.model.get() !== null);
    words();
  };
  state.model.watch(ready);
  state.data.watch(ready);
  return h(
    "div",
    {},
    h(
      "p",
      { class: "quiet" },
      "A certificate is checked from the bytes of the model by a second program, which shares no code with the one that made it and uses no runtime.",
    ),
    h("div", { class: "row" }, field("norm", norm), field("samples at most", most), make.element),
    h(
      "div",
      { class: "row" },
      field("certificate.json", file),
      h("label", { class: "check" }, withData, " with the open samples"),
      check.element,
    ),
    verdict,
    lines,
    line.element,
  );
};
