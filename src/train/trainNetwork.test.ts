import { describe, expect, it } from "vitest";
import { iris } from "../data/iris.ts";
import { nodeEngine } from "../engine/node.ts";
import { mlp } from "../models/mlp.ts";
import { writeNetwork } from "../onnx/network.ts";
import { train } from "./loop.ts";
import { trainNetwork } from "./trainNetwork.ts";

describe("trainNetwork()", () => {
  it("gives what train ends with, and the metrics of every epoch", async () => {
    const options = {
      engine: nodeEngine({ threads: 1 }),
      data: await iris(),
      model: mlp([4, 8, 3]),
      batch: 16,
      seed: 3,
    };
    const { network, variables, epochs } = await trainNetwork({ ...options, epochs: 2 });
    const seen: number[] = [];
    for await (const event of train({ ...options, epochs: 2 })) {
      if (event.kind === "epoch") seen.push(event.trainLoss);
      if (event.kind !== "end") continue;
      expect(variables).toEqual(event.variables);
      expect(writeNetwork(network)).toEqual(writeNetwork(event.network));
    }
    expect(epochs.map(({ trainLoss }) => trainLoss)).toEqual(seen);
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
    expect(epochs[0]).not.toHaveProperty("checkpoint");
  });
});
