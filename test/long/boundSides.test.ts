/** @file What is asked of every method that bounds, in every norm, everywhere and on domains: on 500 random networks none says less than another has seen. And a slope stated too small is noticed by each. */
import { describe, expect, it } from "vitest";
import { autoLip } from "../../src/bounds/autoLip.ts";
import type { Bound, LowerBound, Norm, UpperBound } from "../../src/bounds/bound.ts";
import { workClock } from "../../src/bounds/budget.ts";
import { type Domain, holds } from "../../src/bounds/domain.ts";
import { type BoundName, boundNames, lipschitz } from "../../src/bounds/index.ts";
import { lengthOf } from "../../src/bounds/length.ts";
import { jacobian } from "../../src/bounds/lowerBounds/jacobian.ts";
import { applies } from "../../src/bounds/methods.ts";
import { type Subject, subjectOf } from "../../src/bounds/subject.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { evaluate } from "../../src/engine/reference.ts";
import type { Node } from "../../src/graph/graph.ts";
import { input } from "../../src/graph/leaf.ts";
import type { Network } from "../../src/graph/network.ts";
import { InternalError } from "../../src/tensor/errors.ts";
import { type Random, random } from "../../src/tensor/random.ts";
import { tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import {
  activations,
  affine,
  functionOf,
  type NetworkKind,
  randomNetwork,
  slopesOf,
  withSlopes,
} from "../functions.ts";
import { plainEngine as engine } from "../plainEngine.ts";

describe("bounds", () => {
  it("keep their sides on 500 random networks, whatever the method, the norm and the domain", async () => {
    const proved: Partial<Record<string, number>> = {};
    const found: Partial<Record<string, number>> = {};
    const nearest: Partial<Record<string, number>> = {};
    const breaches: string[] = [];
    for (let seed = 0; seed < 500; seed++) {
      const asked = askedOf(seed);
      const bounds = await boundsOf(asked, hurried);
      const lowers = bounds.filter((b): b is LowerBound => b.side === "lower");
      const uppers = bounds.filter((b): b is UpperBound => b.side === "upper" && b.proved);
      // What is seen in a part is there in the whole.
      const whole = asked.domain === everywhere ? [] : [(await autoLip(asked.subject, asked.norm)).bound];
      for (const lower of lowers) {
        const where = `seed ${seed}, l${asked.norm}, ${lower.method} ${lower.value}`;
        found[lower.method] = (found[lower.method] ?? 0) + 1;
        const wrong = misfit(lower, asked);
        if (wrong) breaches.push(`${where}: ${wrong}`);
        for (const { method, value } of [...uppers, ...whole]) {
          if (lower.value > 0) nearest[method] = Math.max(nearest[method] ?? 0, lower.value / value);
          if (!(lower.value <= value)) breaches.push(`${where} > ${method} ${value}`);
        }
      }
      for (const { method, value } of uppers) {
        expect(value, method).toBeLessThan(Number.POSITIVE_INFINITY);
        proved[method] = (proved[method] ?? 0) + 1;
      }
    }
    expect(breaches).toEqual([]);
    expect(proved.autolip).toBe(500);
    // All were asked, and came near: sides that are far apart would be kept by anything.
    for (const name of below) expect(found[name], name).toBeGreaterThanOrEqual(100);
    for (const name of aboveNames) {
      expect(proved[name], name).toBeGreaterThanOrEqual(100);
      expect(nearest[name], name).toBeGreaterThan(0.75);
    }
  });

  it("are the same for the same seed", async () => {
    let moved = 0;
    for (let seed = 0; seed < 16; seed++) {
      const asked = askedOf(seed);
      // A clock ends branch and bound.
      const names = asked.names.filter((name) => name !== "branch");
      const run = async (again: number) =>
        (await boundsOf({ ...asked, names }, [], again)).map((bound) => ({ ...bound, seconds: 0 }));
      const [first, second, other] = [await run(3), await run(3), await run(4)];
      expect(second).toEqual(first);
      if (JSON.stringify(other) !== JSON.stringify(first)) moved++;
    }
    expect(moved).toBeGreaterThan(8);
  });

  it.each(activations.map((act, k) => [k, act] as const))(
    "are caught with the slopes of an activation 2 % too small, each method in every norm: %i",
    async (_, act) => {
      const neuron = (x: Node) => affine(x, [[1.5]]);
      const honest = functionOf([1], (x) => affine(act(neuron(x)), [[2]]));
      const planted = functionOf([1], (x) => {
        const y = act(neuron(x));
        const [low, high] = slopesOf(y);
        return affine(withSlopes(y, [0.98 * low, 0.98 * high]), [[2]]);
      });
      const { least, most, steepest } = steepestPoints(act);
      await expectCaught(honest, [planted], (steepest === "least" ? least : most) / 1.5, aboveNames);
    },
  );

  it.each(activations.map((act, k) => [k, act] as const))(
    "are caught with either end of the slopes of an activation wrong by 2 % of the range: %i",
    async (_, act) => {
      const { least, most } = steepestPoints(act);
      // act(x) - act(x + t): the slope is least in one neuron where it is largest in the other.
      const pair = (change: (y: Node) => Node) =>
        functionOf([1], (x) => affine(change(act(affine(x, [[1], [1]], [0, most - least]))), [[1, -1]]));
      const planted = (["low", "high"] as const).map((end) =>
        pair((y) => {
          const [low, high] = slopesOf(y);
          const part = 0.02 * (high - low);
          return withSlopes(y, end === "low" ? [low + part, high] : [low, high - part]);
        }),
      );
      await expectCaught(
        pair((y) => y),
        planted,
        least,
        knowingBoth,
      );
    },
  );
});

// --- internal ---

const below: readonly BoundName[] = ["jacobian", "pairs", "annealing"];
const aboveNames = boundNames.filter((name) => !below.includes(name) && name !== "greedy-seqlip");
/** The others know of an activation its steepest slope only, or (a closed form) lose too much where it is not the only one that counts. */
const knowingBoth = aboveNames.filter((name) => !["autolip", "frobenius", "eclipse-fast"].includes(name));

/** Of twelve networks. */
const kinds: readonly NetworkKind[] = [
  ...Array<NetworkKind>(5).fill("chain"),
  ...Array<NetworkKind>(4).fill("dense"),
  "image",
  "image",
  "steep",
];
const norms: readonly Norm[] = [2, 1, 2, "inf"];
const everywhere: Domain = { kind: "global" };

/** Methods that end by the clock or late; what they say when stopped has to hold as well. */
const hurried: readonly BoundName[] = ["seqlip", "greedy-seqlip", "lipsdp", "branch"];
/** Methods that not every network is asked. */
const costly: readonly BoundName[] = [...hurried, "pairs", "annealing"];

interface Asked {
  readonly network: Network;
  readonly subject: Subject;
  readonly norm: Norm;
  readonly domain: Domain;
  readonly data: Dataset;
  readonly names: readonly BoundName[];
}

/** A random network, and what it is asked: every method that fits, but those that cost much not every time, of images least often. */
function askedOf(seed: number): Asked {
  const r = random(seed);
  const choice = (name: string, n: number) => r.fork(name).integer(n);
  const kind = kinds[choice("kind", kinds.length)];
  const network = randomNetwork(r, kind, 3);
  const subject = subjectOf(network);
  const norm = norms[choice("norm", norms.length)];
  const part = kind === "steep" || choice("where", 3) === 0;
  const domain = part ? domainOf(r.fork("domain"), subject.size) : everywhere;
  const every = (name: BoundName) => {
    if (!costly.includes(name)) return 1;
    if (kind === "image") return 8;
    return name === "seqlip" ? 1 : kind === "chain" && hurried.includes(name) ? 2 : 3;
  };
  const names = boundNames.filter((name) => applies(name, norm, domain) && choice(name, every(name)) === 0);
  return { network, subject, norm, domain, data: pointsFor(subject, r.fork("points")), names };
}

/** A box, one in eight with a flat side, or a ball. */
function domainOf(r: Random, size: number): Domain {
  const center = Array.from({ length: size }, () => r.normal());
  const radius = [0.05, 0.3, 1, 3][r.integer(4)];
  const kind = r.integer(4);
  if (kind > 1) return { kind: "ball", center, radius, norm: kind === 2 ? 2 : "inf" };
  const sides = center.map(() => radius * r.uniform());
  if (r.integer(8) === 0) sides[0] = 0;
  return { kind: "box", low: center.map((c, k) => c - sides[k]), high: center.map((c, k) => c + sides[k]) };
}

/** Two points, one near and one far. */
function pointsFor({ sample, size }: Subject, r: Random): Dataset {
  const x = Float32Array.from({ length: 2 * size }, (_, k) => [1, 3][Math.floor(k / size)] * r.normal());
  const empty = { labels: new Int32Array(0), targets: new Float32Array(0), classes: 0 };
  return { name: "points", task: "regression", x, shape: sample, count: 2, ...empty };
}

/** What every method says: some in a short time, counted, the others when they are done. */
async function boundsOf(asked: Asked, short: readonly BoundName[], seed = 0): Promise<readonly Bound[]> {
  const { network, norm, domain, data, names } = asked;
  const ask = async (methods: readonly BoundName[], seconds: number) =>
    (await lipschitz(network, { engine, norm, domain, data, methods, seconds, clock: workClock(), rounds: 1, seed }))
      .bounds;
  return [
    ...(await ask(
      names.filter((name) => !short.includes(name)),
      Number.POSITIVE_INFINITY,
    )),
    ...(await ask(
      names.filter((name) => short.includes(name)),
      0.006,
    )),
  ];
}

/** Does a witness lie in the domain, and show what it is said to? */
function misfit({ value, witness }: LowerBound, { subject, norm, domain }: Asked): string | null {
  if (!witness) return value === 0 ? null : "no witness";
  const { x, y } = subject.at(1, "float64", "x");
  const ends = [Float64Array.from(witness.x), Float64Array.from(witness.y)];
  if (!ends.every((end) => holds(domain, end))) return "outside";
  const [from, to] = ends.map((end) => toFloat64(evaluate({ y }, { x: tensor(end, x.shape, "float64") }).y));
  const rise = lengthOf(
    to.map((c, k) => c - from[k]),
    norm,
  );
  const run = lengthOf(
    witness.y.map((c, k) => c - witness.x[k]),
    norm,
  );
  // The claim is one of exact arithmetic; plain loops round, which a short step shows.
  const rounding = 2 ** -48 * (lengthOf(from, norm) + lengthOf(to, norm));
  return rise + rounding >= value * run * (1 - 1e-9) ? null : `shows ${rise / run}`;
}

/** Points where a function of one number falls and rises most, or comes close to that; half a step clear of every kink. */
function steepestPoints(act: (x: Node) => Node) {
  const step = 2 ** -8;
  const points = Float64Array.from({ length: 24 / step }, (_, k) => k * step - 12);
  const y = act(input("x", [points.length], "float64"));
  const at = (shift: number) => y.op.evaluate(y, [points.map((p) => p + shift)]);
  const [before, behind] = [at(-step / 2), at(step / 2)];
  const slopes = Array.from(points, (_, k) => behind[k] - before[k]);
  const [low, high] = [Math.min(...slopes), Math.max(...slopes)];
  const steepest: "least" | "most" = -low > high ? "least" : "most";
  return { least: points[slopes.indexOf(low)], most: points[slopes.indexOf(high)], steepest };
}

/** Upper bounds of the honest network are kept at its steepest point, everywhere and in a box, and none of those of planted ones. */
async function expectCaught(
  honest: Network,
  planted: readonly Network[],
  point: number,
  names: readonly BoundName[],
): Promise<void> {
  const subject = subjectOf(honest);
  const data = { ...pointsFor(subject, random(0)), x: Float32Array.of(point), count: 1 };
  const box: Domain = { kind: "box", low: [-30], high: [30] };
  for (const [domain, within] of [
    [everywhere, [1, 2, "inf"]],
    [box, [2]],
  ] as const) {
    for (const norm of within) {
      const fitting = names.filter((name) => applies(name, norm, domain));
      const ask = async (network: Network, names: readonly BoundName[]) => {
        const bounds = await boundsOf({ network, subject, norm, domain, data, names }, ["branch"]);
        return bounds.filter((bound): bound is UpperBound => bound.side === "upper");
      };
      const { value: seen } = await jacobian(subject, norm, { engine, domain, data, rounds: 2 });
      for (const { value, method, proved } of await ask(honest, fitting)) {
        expect(proved, method).toBe(true);
        expect(seen, `${method}, l${norm}`).toBeLessThanOrEqual(value);
      }
      for (const network of planted) {
        for (const name of fitting) {
          // A method that sees both sides refutes itself.
          const said = await ask(network, [name]).catch((error: unknown) => {
            if (!(error instanceof InternalError)) throw error;
            return [];
          });
          for (const { value, method, proved } of said) {
            expect(proved, method).toBe(true);
            expect(seen, `${method}, l${norm}`).toBeGreaterThan(value);
          }
        }
      }
    }
  }
}
