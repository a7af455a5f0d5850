/** @file What is called witnessed is: a lower bound is never more than its two points show in exact arithmetic, nor more than what is proved. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Norm, Witness } from "../../src/bounds/bound.ts";
import { workClock } from "../../src/bounds/budget.ts";
import { type Domain, holds } from "../../src/bounds/domain.ts";
import { asFunction } from "../../src/bounds/fixed.ts";
import { lipschitz } from "../../src/bounds/index.ts";
import { lengthOf } from "../../src/bounds/length.ts";
import { annealing } from "../../src/bounds/lowerBounds/annealing.ts";
import { jacobian } from "../../src/bounds/lowerBounds/jacobian.ts";
import { pairs } from "../../src/bounds/lowerBounds/pairs.ts";
import { riseByRun, riseOf } from "../../src/bounds/lowerBounds/rise.ts";
import { shownQuotient } from "../../src/bounds/lowerBounds/shown.ts";
import { subjectOf } from "../../src/bounds/subject.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import type { Node } from "../../src/graph/graph.ts";
import type { Network } from "../../src/graph/network.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { maximum, mul, neg, sub } from "../../src/ops/arith.ts";
import { concat, sliceAxis } from "../../src/ops/movement.ts";
import { abs, leakyRelu, relu } from "../../src/ops/pointwise.ts";
import { random } from "../../src/tensor/random.ts";
import { atLeast, type Dyadic, exact, larger, measure, minus, plus, size, times, zero } from "../dyadic.ts";
import { affine, functionOf, randomNetwork } from "../functions.ts";
import { hasShared, sharedData } from "../shared.ts";

const engine = nodeEngine({ threads: 1 });
const norms: readonly Norm[] = [1, 2, "inf"];
const everywhere: Domain = { kind: "global" };

/** A layer as the graph has it and in exact arithmetic. */
interface Part {
  node(x: Node): Node;
  exactly(x: readonly Dyadic[]): readonly Dyadic[];
  readonly width: number;
}

function dense(rows: readonly (readonly number[])[], bias: readonly number[]): Part {
  const [W, b] = [rows.map((row) => row.map(Math.fround)), bias.map(Math.fround)];
  return {
    node: (x) => affine(x, W, b),
    exactly: (x) => W.map((row, i) => row.map((w, j) => times(exact(w), x[j])).reduce(plus, exact(b[i]))),
    width: rows.length,
  };
}

const pointwise = (node: (x: Node) => Node, of: (v: Dyadic) => Dyadic, width: number): Part => ({
  node,
  exactly: (x) => x.map(of),
  width,
});

/** The larger of the two halves, a max pool over copies and the like. */
const halves = (width: number): Part => ({
  node: (x) => {
    const part = (from: number) => sliceAxis(x, 1, from, from + width / 2);
    return maximum(part(0), part(width / 2));
  },
  exactly: (x) => Array.from({ length: width / 2 }, (_, k) => larger(x[k], x[k + width / 2])),
  width: width / 2,
});

const copies = (width: number): Part => ({
  node: (x) => concat([x, x], 1),
  exactly: (x) => [...x, ...x],
  width: 2 * width,
});

/** A random network of kinks: pools over copies, shared weights, offsets of up to 2^50, spikes as narrow as 2^-30. */
function kinked(seed: number): { readonly inputs: number; readonly parts: readonly Part[]; readonly network: Network } {
  const r = random(seed);
  const inputs = 1 + r.integer(4);
  const parts: Part[] = [];
  let width = inputs;
  const add = (part: Part) => {
    parts.push(part);
    width = part.width;
  };
  const offset = () => [0, 1, 2 ** 20, 2 ** 50][r.integer(4)] * (r.uniform() < 0.5 ? -1 : 1);
  const scale = () => [1, 1, 1, 2 ** 10, 2 ** 30][r.integer(5)];
  const draw = (n: number) => {
    const s = scale();
    add(
      dense(
        Array.from({ length: n }, () => Array.from({ length: width }, () => s * r.normal())),
        Array.from({ length: n }, () => (r.uniform() < 0.3 ? offset() : r.normal())),
      ),
    );
  };
  const shared = () => draw(width);
  draw(2 + r.integer(4));
  for (let k = 0; k < 1 + r.integer(3); k++) {
    switch (r.integer(6)) {
      case 0:
        add(pointwise(abs, size, width));
        break;
      case 1:
        add(
          pointwise(
            (x) => leakyRelu(x, 0.25),
            (v) => (v.m < 0n ? times(v, exact(0.25)) : v),
            width,
          ),
        );
        break;
      case 2:
        add(copies(width));
        add(halves(width));
        break;
      case 3: {
        // relu(x + b) - b on every number.
        const b = Math.fround(offset());
        add(
          pointwise(
            (x) => sub(relu(sub(x, -b)), b),
            (v) => minus(larger(plus(v, exact(b)), zero), exact(b)),
            width,
          ),
        );
        break;
      }
      default:
        add(pointwise(relu, (v) => larger(v, zero), width));
    }
    if (width % 2 === 0 && r.uniform() < 0.4) add(halves(width));
    if (r.uniform() < 0.5) shared();
    else draw(1 + r.integer(4));
  }
  add(
    pointwise(
      (x) => mul(neg(x), -0.5),
      (v) => times(v, exact(0.5)),
      width,
    ),
  );
  const network = functionOf([inputs], (x) => parts.reduce((y, part) => part.node(y), x));
  return { inputs, parts, network };
}

/** Does a pair show at least `value`, exactly? */
function shows({ x, y }: Witness, value: number, parts: readonly Part[], norm: Norm): boolean {
  const at = (point: readonly number[]) =>
    parts.reduce<readonly Dyadic[]>((v, part) => part.exactly(v), point.map(exact));
  const [from, to] = [at(x), at(y)];
  const rise = measure(
    to.map((c, k) => minus(c, from[k])),
    norm,
  );
  const run = measure(
    y.map((c, k) => minus(exact(c), exact(x[k]))),
    norm,
  );
  const claimed = norm === 2 ? times(exact(value), exact(value)) : exact(value);
  return atLeast(rise, times(claimed, run));
}

describe("lower bounds", () => {
  it("are shown by their two points in exact arithmetic, on 120 networks of kinks in every norm and by every search", async () => {
    let [found, refuted] = [0, 0];
    for (let seed = 0; seed < 120; seed++) {
      const { parts, network, inputs } = kinked(seed);
      const norm = norms[seed % 3];
      const subject = subjectOf(network);
      const domain: Domain =
        seed % 2 === 0
          ? everywhere
          : { kind: "ball", center: new Array<number>(inputs).fill(0.5), radius: 2, norm: seed % 4 === 1 ? 2 : "inf" };
      for (const search of [jacobian, pairs, annealing]) {
        const { value, witness } = await search(subject, norm, { engine, domain, points: 8, rounds: 4, seed });
        if (!witness) continue;
        found++;
        for (const end of [witness.x, witness.y]) expect(holds(domain, Float64Array.from(end))).toBe(true);
        expect(shows(witness, value, parts, norm), `seed ${seed}, ${search.name} ${value}`).toBe(true);
        // What plain float64 makes of the same points may be more than they show: this test can fail.
        const { x, y } = subject.at(1, "float64");
        const f = asFunction(y, x);
        const [a, b] = [f(Float64Array.from(witness.x)), f(Float64Array.from(witness.y))];
        const run = lengthOf(
          witness.y.map((c, k) => c - witness.x[k]),
          norm,
        );
        const plain =
          lengthOf(
            b.map((c, k) => c - a[k]),
            norm,
          ) / run;
        if (Number.isFinite(plain) && !shows(witness, plain, parts, norm)) refuted++;
      }
    }
    expect(found).toBeGreaterThan(250);
    expect(refuted).toBeGreaterThan(50);
  });

  it("and `branch`, with upper bounds above, on networks of kinks", async () => {
    let shown = 0;
    for (let seed = 300; seed < 330; seed++) {
      const { parts, network } = kinked(seed);
      const norm = norms[seed % 3];
      // An inverted bracket throws.
      const { bounds } = await lipschitz(network, {
        engine,
        norm,
        methods: ["autolip", "branch", "pairs"],
        seconds: 0.2,
        rounds: 2,
      });
      for (const bound of bounds) {
        if (bound.side !== "lower" || !bound.witness) continue;
        shown++;
        expect(shows(bound.witness, bound.value, parts, norm), `seed ${seed}, ${bound.method}`).toBe(true);
      }
    }
    expect(shown).toBeGreaterThan(20);
  });

  it("are not 0 for want of time", async () => {
    for (const kind of ["dense", "image", "chain"] as const) {
      for (let seed = 0; seed < 6; seed++) {
        // The time is that of the whole command: what is asked first is looked for.
        for (const method of ["jacobian", "pairs", "annealing"]) {
          const asked = { engine, methods: [method], seconds: 1e-9 };
          const { lower } = await lipschitz(randomNetwork(random(seed), kind), asked);
          expect(lower?.value).toBeGreaterThan(0);
        }
      }
    }
  });

  it("find steep places in the units of the first layer: features of unlike sizes", async () => {
    // relu(W (x - mean) / std) for deviations from 0.1 to 1,000: in data units nothing is near the kinks without knowing them.
    const std = [0.1, 1, 10, 100, 1000];
    const mean = [3, -20, 500, 1000, 70_000];
    const r = random(4);
    const W = Array.from({ length: 12 }, () => std.map(() => r.normal()));
    const v = [W.map((_, k) => (k % 2 === 0 ? 1 : -1))];
    const inner = functionOf([5], (x) => affine(relu(affine(x, W)), v));
    const outer = functionOf([5], (x) =>
      affine(
        relu(
          affine(
            x,
            W.map((row) => row.map((w, j) => w / std[j])),
            W.map((row) => -row.reduce((s, w, j) => s + (w * mean[j]) / std[j], 0)),
          ),
        ),
        v,
      ),
    );
    const of = async (network: Network, domain: Domain = everywhere) =>
      (await jacobian(subjectOf(network), 2, { engine, domain, rounds: 20 })).value;
    const box: Domain = { kind: "box", low: mean.map((m, j) => m - std[j]), high: mean.map((m, j) => m + std[j]) };
    const [everywhereElse, inBox] = [await of(outer), await of(outer, box)];
    expect(everywhereElse).toBeGreaterThan(0.9 * inBox);
    expect(await of(inner)).toBeGreaterThan(0);
  });
});

describe("riseByRun()", () => {
  it("encloses what ranges enclose, from a run on the engine", async () => {
    let narrow = 0;
    for (let seed = 0; seed < 20; seed++) {
      const subject = subjectOf(randomNetwork(random(seed), seed % 2 === 0 ? "dense" : "image"));
      const [ranges, run] = [await riseOf(engine, subject), await riseByRun(engine, subject)];
      if (!ranges || !run) throw new Error("a random network must depend on its input");
      const r = random(seed).fork("points");
      const draw = () => Float64Array.from({ length: subject.size }, () => r.normal());
      const [x, y] = [draw(), draw()];
      const [a, b] = [await ranges.rise(x, y), await run.rise(x, y)];
      a.low.forEach((low, k) => {
        expect(b.low[k]).toBeLessThanOrEqual(a.high[k]);
        expect(b.high[k]).toBeGreaterThanOrEqual(low);
      });
      const [near, far] = [
        await shownQuotient(ranges.rise, x, y, 2, everywhere),
        await shownQuotient(run.rise, x, y, 2, everywhere),
      ];
      if (far > near * (1 - 1e-6)) narrow++;
      await run.dispose();
    }
    // The others divide, of which norms know nothing.
    expect(narrow).toBeGreaterThan(10);
  });
});

describe.skipIf(!hasShared("reports"))("networks that were once called steeper than they are", () => {
  const read = (name: string) => parseOnnx(new Uint8Array(readFileSync(`${sharedData}reports/${name}.onnx`)), { name });
  const all = async (name: string, norm: Norm) =>
    (await lipschitz(read(name), { engine, norm, methods: "all", seconds: 1, clock: workClock() })).lower
      ?.value as number;

  it.each<readonly [string, readonly [number, number, number]]>([
    ["soundness/K_max_tie", [1, 1, 1]],
    ["soundness/K_maxpool", [1, Math.sqrt(3), 3]],
    ["soundness/J_bias", [1, 1, 1]],
    ["soundness/J_biasbig", [1, 1, 1]],
  ])("%s", async (name, constants) => {
    for (const [k, norm] of norms.entries()) {
      const value = await all(name, norm);
      expect(value).toBeLessThanOrEqual(constants[k] * (1 + 1e-7));
      expect(value).toBeGreaterThan(constants[k] * (1 - 1e-6));
    }
  });

  it("a spike of width 1e-9 is claimed as far as two points show it", async () => {
    const network = read("soundness/I_spike_1e-09");
    const { lower } = await lipschitz(network, { engine, methods: "all" });
    const { x, y } = subjectOf(network).at(1, "float64");
    const f = asFunction(y, x);
    const [from, to] = [Float64Array.from(lower?.witness?.x ?? []), Float64Array.from(lower?.witness?.y ?? [])];
    const shown = Math.abs(f(to)[0] - f(from)[0]) / Math.abs(to[0] - from[0]);
    expect(lower?.value).toBeGreaterThan(4.9);
    expect(shown).toBeGreaterThan((lower?.value as number) * (1 - 1e-3));
  });

  it("two max pools: no less than random pairs of points show", async () => {
    const network = read("two_maxpools");
    for (const [norm, seen] of [
      [1, 6.16],
      ["inf", 7.74],
    ] as const) {
      expect((await lipschitz(network, { engine, norm })).lower?.value).toBeGreaterThan(seen);
    }
  });
});
