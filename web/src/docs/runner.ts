/** @file The worker that runs one program of a page and sends what it prints. */
import { examples } from "virtual:examples";

const print = (...words: unknown[]) => postMessage({ line: words.map(String).join(" ") });
console.log = print;

addEventListener("message", async ({ data }: MessageEvent<string>) => {
  try {
    const load = examples[data];
    if (!load) throw new Error(`there is no program ${data}`);
    await load();
    postMessage({ done: true });
  } catch (error) {
    postMessage({ failed: error instanceof Error ? error.message : String(error) });
  }
});
