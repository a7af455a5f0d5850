/** @file Networks whose convolutions read an image as if it went on where it ends: multipliers that they bring along, and found ones. */
import { describe, expect, it } from "vitest";
import { realised } from "../../../test/realise.ts";
import { nodeEngine } from "../../engine/node.ts";
import type { Network } from "../../graph/network.ts";
import { inFamily } from "../../layers/family.ts";
import { sandwich } from "../../layers/sandwich.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { convnet } from "../../models/convnet.ts";
import { freeze } from "../../models/freeze.ts";
import { mapNamed } from "../../tensor/named.ts";
import { normalTensor, random } from "../../tensor/random.ts";
import { lipschitz } from "../index.ts";
import { nodeNorms } from "../norm/node.ts";
import { fusedFlow } from "../patterns/fuse.ts";
import { subjectOf } from "../subject.ts";
import { gridCuts } from "./gridCuts.ts";
import { quadraticBound } from "./lipsdp.ts";
import { fromLists } from "./start.ts";
import { storedLists } from "./stored.ts";

const engine = nodeEngine();

/** With multipliers as training leaves them: no number is right for all neurons. */
async function network(
  activation: "relu" | "tanh",
  sample: readonly number[],
  channels: readonly [number, number] = [3, 4],
  moved = false,
): Promise<Network> {
  const model = inFamily(convnet(4, { channels, hidden: 6, activation }), sandwich({ gamma: 3 }));
  const { params, state } = model.init(random(2), sample);
  const r = random(4);
  const drawn = mapNamed(params, (t, name) =>
    moved && name.endsWith("logPsi") ? normalTensor(r.fork(name), t.shape, 0.7) : t,
  );
  return freeze(engine, model, { params: drawn, state }, sample);
}

function programOf(own: Network) {
  const { x, y } = subjectOf(own).at(1, "float64");
  const flow = fusedFlow(x, y);
  const program = gridCuts(flow, nodeNorms(flow));
  if (typeof program === "string") throw new Error(program);
  return program;
}

const witnessed = async (own: Network): Promise<number> =>
  (await lipschitz(own, { engine, methods: ["jacobian", "pairs"], seconds: 0.3 })).lower?.value as number;

describe("periodic convolutions", () => {
  it.each([
    ["relu", [2, 8, 8]],
    ["tanh", [1, 12, 4]],
  ] as const)("have gamma by the multipliers of their construction (%s)", async (activation, sample) => {
    const own = await network(activation, sample);
    const program = programOf(own);
    expect(program.sides).toEqual(sample.slice(1));
    const stored = fromLists(program, storedLists(own.metadata) ?? []);
    if (!stored) throw new Error("they do not fit");
    const { value } = await quadraticBound(program, { engine, stored, steps: 1 });
    expect(value).toBeLessThan(3 * (1 + 1e-3));
    expect(value).toBeGreaterThan(await witnessed(own));
    for (let k = 0; k < 5; k++) expect(value).toBeGreaterThan(spectralNorm(realised(program, random(k))).lower);
  });

  it("come below gamma without them", async () => {
    const own = await network("tanh", [2, 8, 8], [3, 4], true);
    const { value } = await quadraticBound(programOf(own), { engine });
    expect(value).toBeLessThan(3);
    expect(value).toBeGreaterThan(await witnessed(own));
  });

  it("are what lipsdp walks where images are too large to write out", async () => {
    const own = { ...(await network("tanh", [1, 28, 28], [6, 4], true)), metadata: {} };
    const { upper } = await lipschitz(own, { engine, methods: ["lipsdp"], seconds: 30 });
    const { upper: norms } = await lipschitz(own, { engine, methods: ["autolip"] });
    expect(upper?.proved).toBe(true);
    expect(upper?.value).toBeLessThan(0.5 * (norms?.value as number));
    expect(upper?.value).toBeGreaterThan(await witnessed(own));
  });

  it("prove nothing by multipliers that do not fit the weights", async () => {
    const own = await network("relu", [2, 8, 8]);
    const program = programOf(own);
    const stored = fromLists(program, storedLists(own.metadata) ?? []) as Float64Array;
    const lower = await witnessed(own);
    for (const factor of [1e-6, 100, -1, Number.NaN]) {
      const wrong = stored.map((t) => factor * t);
      const { value } = await quadraticBound(program, { engine, stored: wrong, steps: 1 });
      expect(value).toBeGreaterThan(lower);
    }
    expect(fromLists(program, [[1]])).toBeUndefined();
  });
});
