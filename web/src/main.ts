/** @file The page: a model is dropped, and each part of the page asks the worker for one kind of answer about it. */
import { sheet } from "lipschitz/report";
import { openClient } from "./client.ts";
import { h } from "./dom.ts";
import type { Page } from "./page.ts";
import { openState } from "./state.ts";
import "./style.css";
import { boundView } from "./views/bound.ts";
import { boxView } from "./views/box.ts";
import { certificateView } from "./views/certificate.ts";
import { modelView } from "./views/model.ts";
import { reportView } from "./views/report.ts";
import { samplesView } from "./views/samples.ts";
import { trainView } from "./views/train.ts";
import { trapsView } from "./views/traps.ts";

document.head.append(h("style", {}, sheet()));

const main = document.getElementById("main");
if (!main) throw new Error("the page must have an element main");

const status = h("p", { class: "status", role: "status" });
const state = openState();
const client = openClient((why) => {
  state.model.set(null);
  state.data.set(null);
  status.textContent = `The computation was started again: ${why}. Open the model again; a smaller one may be needed.`;
});
const page: Page = {
  client,
  state,
  say(text) {
    status.textContent = text;
  },
};

const views = [
  ["model", "Model", modelView],
  ["bound", "Constant", boundView],
  ["box", "On a box", boxView],
  ["samples", "Samples", samplesView],
  ["certificate", "Certificate", certificateView],
  ["report", "Report", reportView],
  ["train", "Train", trainView],
  ["traps", "Traps", trapsView],
] as const;

// What the site has beside the page; the page as one file is alone.
const elsewhere = h(
  "p",
  { class: "quiet", hidden: import.meta.env.DISK || import.meta.env.DEV },
  h("a", { href: "docs/index.html" }, "Documentation"),
  " · ",
  h("a", { href: "api/index.html" }, "Library"),
  " · ",
  h("a", { href: "lipschitz.html", download: "lipschitz.html" }, "This page as one file"),
  ", which opens from the disk",
);

main.append(
  h(
    "nav",
    { "aria-label": "Parts of the page" },
    h(
      "ul",
      {},
      views.map(([id, title]) => h("li", {}, h("a", { href: `#${id}` }, title))),
    ),
  ),
  elsewhere,
  status,
  ...views.map(([id, title, view]) =>
    h("section", { id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), view(page)),
  ),
);

// The runtime takes a second or two to start: before anybody asks.
void client.start("warm", {}).result.then(
  ({ engine }) => page.say(`Ready: ${engine}.`),
  (error: Error) => page.say(`The runtime does not start: ${error.message}`),
);

// While developing, files change under it; the page as one file needs none.
if (import.meta.env.PROD && !import.meta.env.DISK && "serviceWorker" in navigator) {
  const worker = navigator.serviceWorker.register("./service-worker.js");
  worker.catch(() => page.say("Without a service worker the page does not work offline."));
}
