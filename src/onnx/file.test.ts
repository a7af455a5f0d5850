import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { create } from "@bufbuild/protobuf";
import { afterAll, describe, expect, it } from "vitest";
import { modelOf } from "../../test/model.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { constant, input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { matmul } from "../ops/matmul.ts";
import { relu } from "../ops/pointwise.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { readOnnx, writeOnnx } from "./file.ts";
import { TensorProtoSchema } from "./proto.ts";

const folder = mkdtempSync(join(tmpdir(), "lipschitz-onnx-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const weight = normalTensor(random(1), [6, 4]);

/** Rank 3 times rank 2: the product flattens the batch with the rows, and the batch must stay free all the same. */
const network: Network = {
  name: "rows",
  inputs: [{ name: "x", shape: ["n", 5, 6], dtype: "float32" }],
  outputs: ["y"],
  metadata: { origin: "a test" },
  build: ([x]) => [relu(matmul(x, constant(weight)))],
};

describe("writeOnnx()", () => {
  it("puts a model in place whole, and readOnnx() reads it from its path, its URL and its bytes", async () => {
    const path = join(folder, "rows.onnx");
    const bytes = await writeOnnx(network, path);
    expect(readdirSync(folder)).toEqual(["rows.onnx"]);
    expect(new Uint8Array(readFileSync(path))).toEqual(bytes);
    for (const source of [path, pathToFileURL(path), bytes]) {
      const again = await readOnnx(source);
      expect(again.inputs).toEqual(network.inputs);
      expect(again.metadata).toEqual(network.metadata);
    }
  });

  it.each([1, 2, 5])("leaves the batch free: %s rows of matrices in any runtime", async (batch) => {
    const program = await nodeEngine().load(await writeOnnx(network));
    const x = normalTensor(random(2), [batch, 5, 6]);
    const { y } = await program.run({ x });
    const judge = evaluate({ y: network.build([input("x", x.shape)])[0] }, { x }).y;
    expect(y.shape).toEqual([batch, 5, 4]);
    judge.data.forEach((v: number | bigint, i: number) => {
      expect(Number(y.data[i])).toBeCloseTo(Number(v), 5);
    });
    await program.dispose();
  });

  it("leaves nothing behind where it cannot write", async () => {
    await expect(writeOnnx(network, join(folder, "no", "such", "place.onnx"))).rejects.toThrow(/ENOENT/);
    expect(readdirSync(folder)).toEqual(["rows.onnx"]);
  });
});

describe("readOnnx()", () => {
  it("says which file is missing", async () => {
    await expect(readOnnx(join(folder, "none.onnx"))).rejects.toThrow(/none\.onnx: no such file/);
  });

  it("says which file is no model", async () => {
    const path = join(folder, "text.onnx");
    writeFileSync(path, "this is not a model");
    await expect(readOnnx(path)).rejects.toThrow(/text\.onnx: not an ONNX model/);
  });

  it("names the nodes of the model in a bracket's layers", async () => {
    const { lipschitz } = await import("../bounds/index.ts");
    const { layers } = await lipschitz(await readOnnx(await writeOnnx(network)), {
      engine: nodeEngine(),
      methods: ["autolip"],
    });
    expect(layers.map((l) => [l.node, l.op])).toEqual([["MatMul_1", "MatMul"]]);
  });

  const external = (location: string): Uint8Array =>
    modelOf({
      inputs: { x: [1, 2] },
      nodes: [{ op: "MatMul", in: ["x", "w"], out: ["y"] }],
      tensors: {
        w: create(TensorProtoSchema, {
          dataType: 1,
          dims: [2n, 1n],
          dataLocation: 1,
          externalData: [{ key: "location", value: location }],
        }),
      },
    });

  it.skipIf(process.platform === "win32")(
    "takes external data from the model's folder only, links resolved",
    async () => {
      const [own, elsewhere] = ["own", "elsewhere"].map((name) => join(folder, name));
      for (const place of [own, elsewhere]) {
        mkdirSync(place);
        writeFileSync(join(place, "w.bin"), new Uint8Array(8));
      }
      symlinkSync(join(elsewhere, "w.bin"), join(own, "out.bin"));
      symlinkSync("w.bin", join(own, "in.bin"));
      symlinkSync(elsewhere, join(own, "folder"));
      const read = (location: string, place = own) => {
        writeFileSync(join(place, "m.onnx"), external(location));
        return readOnnx(join(place, "m.onnx"));
      };
      await expect(read("w.bin")).resolves.toBeDefined();
      await expect(read("in.bin")).resolves.toBeDefined();
      await expect(read("out.bin")).rejects.toThrow(/external data "out.bin": must lie beside the model, got a link/);
      await expect(read("folder/w.bin")).rejects.toThrow(/must lie beside the model, got a link/);
      await expect(read("../elsewhere/w.bin")).rejects.toThrow(/external data must lie beside/);
      await expect(read(".")).rejects.toThrow(/m\.onnx/);
      // A cache keeps model and data in one folder, and links to both from another.
      writeFileSync(join(elsewhere, "m.onnx"), external("out.bin"));
      rmSync(join(own, "m.onnx"));
      symlinkSync(join(elsewhere, "m.onnx"), join(own, "m.onnx"));
      await expect(readOnnx(join(own, "m.onnx"))).resolves.toBeDefined();
    },
  );
});
