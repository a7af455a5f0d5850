/** @file Tests of from.ts: what goes with a network that is there. */
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { retrofitModel } from "../../test/retrofitModel.ts";
import { modelHash } from "../onnx/read.ts";
import { openFrom } from "./from.ts";

let folder = "";
let from = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "from-"));
  from = join(folder, "net.onnx");
  writeFileSync(from, retrofitModel());
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("openFrom()", () => {
  it("says which file it is, and how it is read", async () => {
    const sha256 = await modelHash(retrofitModel());
    const found = await openFrom({ from, freeze: "fc1, bn.*", shape: "features=1,4", layout: "nhwc" });
    expect(found?.model).toEqual({
      kind: "onnx",
      file: from,
      sha256,
      freeze: ["fc1", "bn.*"],
      shapes: { features: [1, 4] },
      layout: "nhwc",
    });
    expect(await openFrom({})).toBeUndefined();
    const again = await openFrom({}, found?.model);
    expect([again?.model, again?.source.bytes]).toEqual([found?.model, found?.source.bytes]);
    expect((await openFrom({ from, layout: "nchw" }))?.model).toEqual({ kind: "onnx", file: from, sha256 });
  });

  it("refuses what does not go with it, and the wrong file", async () => {
    const refused = (words: Parameters<typeof openFrom>[0], model?: Parameters<typeof openFrom>[1]) =>
      expect(openFrom(words, model)).rejects;
    await refused({ freeze: "fc1" }).toThrow(
      "--freeze: is an option of a network that is there; say it by --from FILE",
    );
    await refused({ from, widths: "8" }).toThrow(
      "--widths: the network of --from is what it is; leave one of the two out",
    );
    await refused({ from, normalize: true }).toThrow("--normalize: the network of --from takes what it was trained on");
    await refused({ from, freeze: "a,,b" }).toThrow('--freeze: must be names apart by commas, got "a,,b"');
    await refused({ from: `${from}x` }).toThrow("no such file");
    await refused({ from }, { kind: "mlp" }).toThrow(
      "--from: the checkpoint is of a network that was trained from the start",
    );
    const other = { kind: "onnx", file: from, sha256: "0".repeat(64) } as const;
    await refused({}, other).toThrow(
      /must be the file that the checkpoint began with \(sha256 0{16}\.\.\.\), got another/,
    );
  });
});
