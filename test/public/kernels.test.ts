import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { packedKernels } from "../../scripts/kernels.ts";

describe("src/linalg/kernelsPack.ts", () => {
  it("is what assembly/hermitian.ts compiles to", async () => {
    const kept = readFileSync(new URL("../../src/linalg/kernelsPack.ts", import.meta.url), "utf8");
    expect(kept, "run `npm run kernels`").toBe(await packedKernels());
  });
});
