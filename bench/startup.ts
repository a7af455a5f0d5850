/** @file How long a user waits: a fresh process imports the built library and reads a model. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constant, input } from "../src/graph/leaf.ts";
import { writeModel } from "../src/onnx/write.ts";
import { matmul } from "../src/ops/matmul.ts";
import { relu } from "../src/ops/pointwise.ts";
import { normalTensor, random } from "../src/tensor/random.ts";

/** Median of five processes, from the start of the process; null where the library is not built. */
export function startup(): { readonly seconds: number; readonly megabytes: number } | null {
  const library = new URL("../dist/index.js", import.meta.url);
  if (!existsSync(library)) return null;
  const folder = mkdtempSync(join(tmpdir(), "lipschitz-bench-"));
  try {
    const file = join(folder, "model.onnx");
    const bytes = model();
    writeFileSync(file, bytes);
    const program = `
      import { readFileSync } from "node:fs";
      const { parseOnnx } = await import(${JSON.stringify(library.href)});
      parseOnnx(readFileSync(${JSON.stringify(file)}));
      console.log(performance.now());`;
    const times = Array.from({ length: 5 }, () => {
      const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
        encoding: "utf8",
      });
      const milliseconds = Number.parseFloat(stdout);
      if (!(milliseconds > 0)) throw new Error(`startup: the process failed: ${stderr}`);
      return milliseconds / 1000;
    });
    return { seconds: times.sort((a, b) => a - b)[2], megabytes: bytes.length / 1e6 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// --- internal ---

/** A dense network of half a million weights. */
function model(): Uint8Array {
  const r = random(0);
  const widths = [784, 450, 300, 50, 10];
  let y = input("x", [1, widths[0]]);
  for (let i = 1; i < widths.length; i++) {
    const z = matmul(y, constant(normalTensor(r, [widths[i - 1], widths[i]])));
    y = i < widths.length - 1 ? relu(z) : z;
  }
  return writeModel({ y }, { batch: "N" });
}
