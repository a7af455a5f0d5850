/** @file How to get the same numbers again: the command, and everything that they depend on. */
import { preprocessingWords } from "../data/preprocess.ts";
import { readingWords } from "../data/reading.ts";
import type { RunRecord } from "../experiment/record.ts";
import type { RunSpec } from "../experiment/spec.ts";
import { optionOf } from "../train/setting.ts";
import { type Html, html, table } from "./html.ts";
import { showNumber } from "./number.ts";

/** The command line that trains and measures as a spec says. */
export function commandOf({
  data,
  reading = {},
  preprocessing = {},
  samples = {},
  model,
  method,
  radii,
  norm,
  ...rest
}: RunSpec): string {
  const { name, ...settings } = method;
  const options: Readonly<Record<string, string | number>> = {
    data,
    ...readingWords(reading),
    ...(preprocessing === "normalize" ? {} : preprocessingWords(preprocessing)),
    ...(samples.train ? { "train-samples": samples.train } : {}),
    ...(samples.test ? { "test-samples": samples.test } : {}),
    ...modelOptions(model),
    ...(rest.teacher && { teacher: rest.teacher.file }),
    epochs: rest.epochs,
    batch: rest.batch,
    rate: rest.rate,
    optimizer: rest.optimizer,
    schedule: rest.schedule,
    loss: rest.loss,
    ...(rest.offset !== undefined && { offset: rest.offset }),
    ...(rest.temperature !== undefined && { temperature: rest.temperature }),
    ...Object.fromEntries(
      (["iterations", "damping", "tikhonov", "noise"] as const).flatMap((key) => {
        const value = rest[key];
        return value === undefined ? [] : [[key, value]];
      }),
    ),
    ...Object.fromEntries(Object.entries(settings).map(([key, value]) => [optionOf(key), value])),
    ...(radii.length > 0 ? { radii: radii.join(",") } : {}),
    norm,
    seed: rest.seed,
  };
  const words = Object.entries(options).map(([key, value]) => `--${key} ${quoted(String(value))}`);
  const normalized = preprocessing === "normalize" ? ["--normalize"] : [];
  return ["lipschitz train", name, ...words, ...normalized, "--out DIR"].join(" ");
}

function modelOptions(model: RunSpec["model"]): Readonly<Record<string, string>> {
  if (model.kind === "onnx") {
    const { file, freeze = [], shapes = {}, layout } = model;
    const sizes = Object.entries(shapes).map(([name, shape]) => `${name}=${shape.join(",")}`);
    return {
      from: file,
      ...(freeze.length > 0 && { freeze: freeze.join(",") }),
      ...(sizes.length > 0 && { shape: sizes.join(";") }),
      ...(layout && { layout }),
    };
  }
  return {
    model: model.kind,
    ...(model.widths && { widths: model.widths.join(",") }),
    ...(model.activation && { activation: model.activation }),
  };
}

/** The section on reproducing some runs. */
export function reproduction(runs: readonly RunRecord[]): Html {
  const [{ tool, engine, machine }] = runs;
  return html`<section id="reproduce"><h2>How to reproduce</h2>
<p>${tool.name} ${tool.version} on ${engine}${
    machine ? `, ${machine.runtime}, ${machine.platform}, ${machine.cores} cores of ${machine.cpu}` : ""
  }. Equal specs, data and engine give equal networks; times are those of the machine.</p>
<p>Each command below carries out a run${runs.some(({ spec }) => spec.model.kind === "onnx" || spec.teacher) ? "" : html`; so does <code>lipschitz run spec.json</code> with its spec as the file`}.</p>
<dl>
${[...new Map(runs.map((r) => [r.data.sha256.train + r.data.sha256.test, r])).values()].map(
  ({ data, spec }, _, all) =>
    html`<dt>Data${all.length > 1 ? ` of seed ${spec.seed}` : ""}</dt><dd>${data.name}: ${data.samples.train} training samples, sha256 <code>${data.sha256.train}</code>; ${data.samples.test} test samples, sha256 <code>${data.sha256.test}</code></dd>
`,
)}</dl>
${runs.map(
  ({ spec }) =>
    html`<pre><code>${commandOf(spec)}</code></pre>
`,
)}
<div class="wide">${table(
    "Models",
    [
      { head: "method", align: "left" },
      { head: "seed" },
      { head: "parameters" },
      { head: "sha256 of model.onnx", align: "left" },
      { head: "export differs by" },
      { head: "training, s" },
      { head: "bounds, s" },
      { head: "certifying, s" },
      { head: "attacks, s" },
      { head: "curvature, s" },
    ],
    runs.map(({ spec, model, seconds }) => [
      spec.method.name,
      String(spec.seed),
      String(model.parameters),
      html`<code class="hash">${model.sha256}</code>`,
      showNumber(model.exportCheck.largestDifference),
      ...[seconds.train, seconds.bound, seconds.certify, seconds.attack, seconds.curvature].map((s) => s.toFixed(2)),
    ]),
  )}</div>
${runs.map(({ spec }) => html`<details><summary>The spec of ${spec.method.name}, seed ${spec.seed}</summary><pre><code>${JSON.stringify(spec, null, 2)}</code></pre></details>`)}
</section>`;
}

// --- internal ---

/** A word for a shell. */
export const quoted = (word: string): string =>
  /^[\w.,/:=@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
