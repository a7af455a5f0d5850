/** @file What is on the page as one HTML file that needs nothing else: the model, what was found of it, and the command lines that find it again. */
import { blameFigure, bracketFigure, type Html, html, type Pen, page } from "lipschitz/report";
import { sentenceOf } from "./bracket.ts";
import { slopesTable } from "./gains.ts";
import { certifiedFigures } from "./samples.ts";
import type { State } from "./state.ts";

/** The text of the file, or null where no model is open. */
export function reportOf(pen: Pen, state: State): string | null {
  const model = state.model.get();
  if (!model) return null;
  const [bracket, gains, certified, verdict] = [
    state.bracket.get(),
    state.gains.get(),
    state.certified.get(),
    state.verdict.get(),
  ];
  const data = state.data.get();
  const commands = [bracket, gains, certified, verdict].flatMap((own) => (own ? [own.command] : []));
  const body = html`<header><h1>${model.name}</h1>
<p class="verdict">${bracket ? sentenceOf(bracket.found) : "Its constant was not bracketed."}</p>
<p class="quiet">Computed in a browser by lipschitz. Proved means: for every input of the network with its stored weights. Witnessed means: two inputs show it.</p></header>
<section><h2>The constant</h2>
${bracket ? html`<div class="figures">${bracketFigure(pen, bracket.found)}${bracket.found.layers.length > 0 ? blameFigure(pen, bracket.found) : null}</div>` : null}</section>
${gains ? onBox(gains.found) : null}
${
  certified
    ? html`<section><h2>Samples</h2><p>${data ? `${data.name}: ${data.count} samples.` : ""}</p><div class="figures">${certifiedFigures(pen, certified.found)}</div></section>`
    : null
}
${
  verdict
    ? html`<section><h2>Certificate</h2><p>${verdict.found.holds ? "The certificate holds." : "The certificate does not hold."}</p><ul>${verdict.found.checks.map(
        (c) => html`<li>${c.holds ? "holds" : "FAILS"}: ${c.what}: ${c.detail}</li>`,
      )}</ul></section>`
    : null
}
<section id="reproduce"><h2>How to reproduce</h2>
<dl><dt>Model</dt><dd>${model.name}, sha256 <code class="hash">${model.sha256}</code></dd></dl>
${commands.map(
  (command) => html`<pre><code>${command}</code></pre>
`,
)}</section>`;
  return page({ title: `${model.name} - lipschitz`, body });
}

// --- internal ---

function onBox(found: NonNullable<ReturnType<State["gains"]["get"]>>["found"]): Html {
  const what = "slopes" in found ? slopesTable(found) : html`<p>${sentenceOf(found)}</p>`;
  return html`<section><h2>On the box</h2>${what}</section>`;
}
