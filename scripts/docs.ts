/** @file Run the examples of docs/ and of README.md and write into the pages what they printed: `npm run docs [PAGE...]`, after a build. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { desk, shownOf } from "../test/pageRun.ts";
import { agrees, firstPage, pages, pageText, root } from "../test/pages.ts";

const asked = process.argv.slice(2);
const place = desk();
try {
  for (const page of [firstPage, ...pages.filter((page) => page !== firstPage), "README.md"]) {
    if (page !== firstPage && asked.length > 0 && !asked.some((word) => page.includes(word))) continue;
    const begun = performance.now();
    const printed = await place.run(page);
    let text = pageText(page);
    for (const done of [...printed].reverse()) {
      const { block, status, stderr } = done;
      if (status !== block.exit) throw new Error(`${page}: exit code ${status}\n${block.text}${stderr}`);
      const { output } = block;
      if (output === null) continue;
      // Other times alone are no reason to change a page.
      if (agrees({ ...output, kind: "output" }, shownOf(done))) continue;
      text = `${text.slice(0, output.from)}${shownOf(done).trimEnd()}\n${text.slice(output.from + output.text.length)}`;
    }
    writeFileSync(join(root, page), text);
    console.log(`${page}: ${printed.length} blocks, ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  }
} finally {
  place.clear();
}
