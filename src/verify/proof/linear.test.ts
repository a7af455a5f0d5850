import { describe, expect, it } from "vitest";
import { bytesOf, certificateOf, engine, points } from "../../../test/certificates.ts";
import { claimed, recount, refused } from "../../../test/forgeries.ts";
import { witnessOf } from "../../certify/witness.ts";
import { convnet } from "../../models/convnet.ts";
import { mlp } from "../../models/mlp.ts";
import { resnet } from "../../models/resnet.ts";
import { type Random, random } from "../../tensor/random.ts";
import { runAtOnce } from "../task.ts";
import { readProgram, verify } from "../verify.ts";
import { linearWalks } from "./linear.ts";
import { runOn, valuesAt } from "./run.ts";
import { walk } from "./walk.ts";

const shape = [1, 4, 4];
const models = [
  ["relu mlp", mlp([16, 9, 7, 3])],
  ["leaky mlp", mlp([16, 8, 8, 3], { activation: "leakyRelu" })],
  ["relu convnet", convnet(3, { channels: [2], hidden: 6 })],
  ["relu resnet", resnet(3, { channels: [2] })],
  ["tanh mlp", mlp([16, 7, 5, 3], { activation: "tanh" })],
] as const;

/** A step of a length in a norm. */
function step(r: Random, n: number, norm: 1 | 2 | "inf", length: number): Float64Array {
  const v = Float64Array.from({ length: n }, () => (norm === "inf" ? Math.sign(r.normal()) : r.normal()));
  if (norm === 1 && r.uniform() < 0.5) v.fill(0, 1 + r.integer(n - 1));
  const size = norm === "inf" ? 1 : norm === 2 ? Math.hypot(...v) : v.reduce((s, x) => s + Math.abs(x), 0);
  return v.map((x) => (x / size) * length * (1 - 1e-12));
}

describe.each(models)("of a %s", (name, model) => {
  it.each([1, 2, "inf"] as const)("the walk is below every difference in the ball, in l%s", async (norm) => {
    const data = points(shape, 3, 3);
    const program = readProgram(await bytesOf(model, shape), {}, shape);
    const { witness } = await witnessOf(program, { norm, engine, seconds: 0.1 });
    const proof = runAtOnce(walk(program, norm, witness));
    const walks = linearWalks(program, proof, runAtOnce(runOn(program, data.x)).largest);
    const r = random(3).fork("points");
    let better = 0;
    for (let i = 0; i < data.count; i++) {
      const x = data.x.subarray(16 * i, 16 * i + 16);
      const own = walks(x);
      const gap = (z: ArrayLike<number>, y: number, j: number) => {
        const out = valuesAt(program, z).get(program.output) as Float64Array;
        return out[y] - out[j];
      };
      for (const radius of [1e-3, 0.05, 0.5]) {
        for (const [y, j] of [
          [0, 1],
          [2, 0],
        ] as const) {
          const lower = own.lower(y, j, radius);
          const middle = gap(x, y, j);
          expect(lower).toBeLessThan(middle);
          for (let k = 0; k < 40; k++) {
            const d = step(r, 16, norm, radius);
            expect(
              gap(
                d.map((v, m) => v + x[m]),
                y,
                j,
              ),
            ).toBeGreaterThanOrEqual(lower);
          }
          if (lower > middle - radius * proof.pair(y, j)) better++;
        }
      }
    }
    // A walk that ends at the last activation says what the constant says.
    if (name !== "tanh mlp") expect(better).toBeGreaterThan(0);
  });
});

describe("certificates of networks with kinks", () => {
  it("hold radii by the walk, and none that are much longer", async () => {
    const data = points(shape, 8, 3);
    const bytes = await bytesOf(mlp([16, 12, 8, 3]), shape);
    const { text, certificate } = await certificateOf(bytes, data, { local: "on" });
    expect((await verify(text, bytes, { data })).holds).toBe(true);
    const { pairs = [] } = certificate.constant;
    const byConstant = certificate.samples.map(({ predicted, margin }) =>
      Math.min(...[0, 1, 2].filter((j) => j !== predicted).map((j) => margin / pairs[predicted][j])),
    );
    const longer = certificate.samples.findIndex((s, i) => s.radius > 1.05 * byConstant[i]);
    expect(longer).toBeGreaterThanOrEqual(0);
    const forged = await claimed({ text, bytes, data }, (c) => {
      c.samples[longer].radius *= 1.5;
      recount(c);
    });
    await refused(forged, "samples", /is too far/);
  });
});
