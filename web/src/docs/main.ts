/** @file What pages of the site do beyond being read: the search, and running the programs on them. */
import { sheet } from "lipschitz/report";
import MiniSearch from "minisearch";
import { fill, h } from "../dom.ts";
import "../style.css";
import { searchOptions } from "./searchOptions.ts";
import "./docs.css";

document.head.append(h("style", {}, sheet()));

/** The root of the site, where the index of the search lies. */
const home = new URL("../", import.meta.url.toString());

for (const program of document.querySelectorAll<HTMLElement>("[data-program]"))
  program.append(runButton(program.dataset.program!));
startSearch();

// --- internal ---

interface Hit {
  readonly id: string;
  readonly title: string;
  readonly heading: string;
}

type Index = MiniSearch<Hit>;

function runButton(id: string): HTMLElement {
  const output = h("pre", { class: "printed", "aria-live": "polite", hidden: true });
  const button = h("button", { type: "button", onclick: () => (worker ? stop("Stopped.") : start()) }, "Run it here");
  let worker: Worker | undefined;
  const say = (line: string) => output.append(`${line}\n`);
  function stop(words?: string): void {
    if (words) say(words);
    worker?.terminate();
    worker = undefined;
    button.textContent = "Run it here";
  }
  function start(): void {
    fill(output);
    output.hidden = false;
    button.textContent = "Stop";
    worker = new Worker(new URL("./runner.ts", import.meta.url), { type: "module", name: id });
    worker.addEventListener("message", ({ data }: MessageEvent<{ line?: string; failed?: string }>) => {
      if (data.line !== undefined) return say(data.line);
      stop(data.failed === undefined ? undefined : `Error: ${data.failed}`);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      stop(`Error: ${event.message || "the program ended, most likely for want of memory"}`);
    });
    worker.postMessage(id);
  }
  return h("div", {}, button, output);
}

function startSearch(): void {
  const field = document.querySelector<HTMLInputElement>("#search");
  const found = document.querySelector("#found");
  if (!field || !found) return;
  let index: Promise<Index> | undefined;
  const load = async (): Promise<Index> => {
    const response = await fetch(new URL("search.json", home));
    return MiniSearch.loadJSON<Hit>(await response.text(), searchOptions);
  };
  field.addEventListener("input", async () => {
    const words = field.value;
    index ??= load();
    const hits = words.trim() ? (await index).search(words, { prefix: true, fuzzy: 0.2 }).slice(0, 12) : [];
    if (words !== field.value) return;
    const link = (hit: (typeof hits)[number]) =>
      h("li", {}, h("a", { href: new URL(String(hit.id), home).href }, `${hit.title}: ${hit.heading}`));
    fill(found, words.trim() && hits.length === 0 ? h("li", {}, "nothing found") : hits.map(link));
  });
}
