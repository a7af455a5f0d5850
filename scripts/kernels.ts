/** @file Compiles assembly/hermitian.ts into src/linalg/kernelsPack.ts: run `npm run kernels`. The same version of the compiler gives the same bytes every time; a test holds the pack to them. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compileString } from "assemblyscript/asc";

const target = new URL("../src/linalg/kernelsPack.ts", import.meta.url);

/** The source of the pack. Throws the compiler's messages if it has any. */
export async function packedKernels(): Promise<string> {
  const name = "hermitian.ts";
  const text = readFileSync(new URL(`../assembly/${name}`, import.meta.url), "utf8");
  const { binary, error, stderr } = await compileString(
    { [name]: text },
    {
      optimizeLevel: 3,
      noAssert: true,
      runtime: "stub",
      importMemory: true,
      noExportMemory: true,
      enable: ["simd"],
      noColors: true,
    },
  );
  if (error || !binary) throw new Error(`assembly/${name}: ${stderr.toString() || error?.message}`);
  return source(Buffer.from(binary).toString("base64"));
}

// --- internal ---

function source(base64: string): string {
  return `/** @file The kernels of complex Hermitian matrices as WebAssembly, base64: made by scripts/kernels.ts from assembly/hermitian.ts, read by arena.ts, not to be edited. */

export const pack: string =
  "${base64}";
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await packedKernels();
  writeFileSync(target, text);
  process.stdout.write(`${fileURLToPath(target)}: ${text.length} characters\n`);
}
