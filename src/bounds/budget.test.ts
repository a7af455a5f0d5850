import { afterEach, describe, expect, it, vi } from "vitest";
import { mixed, resnet18 } from "../../test/imageModels.ts";
import { modelOf, type NodeOf } from "../../test/model.ts";
import { nodeEngine } from "../engine/node.ts";
import type { Network } from "../graph/network.ts";
import { parseOnnx } from "../onnx/read.ts";
import { normalTensor, random } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { autoLip } from "./autoLip.ts";
import { budget, type Clock, nominalSpeed, workClock } from "./budget.ts";
import { lipschitz } from "./index.ts";
import { subjectOf } from "./subject.ts";

afterEach(() => vi.restoreAllMocks());

/** A clock that a test moves, and that work moves too. */
function slowClock(secondsAnOperation = 0): Clock {
  let now = 0;
  return {
    now: () => now,
    spend(operations) {
      now += 1000 * secondsAnOperation * operations;
    },
  };
}

describe("budget()", () => {
  it("of counted work passes by work alone", () => {
    const clock = workClock();
    const time = budget({ seconds: 2, clock });
    expect(time.elapsed()).toBe(0);
    expect(time.fits(2 * nominalSpeed)).toBe(true);
    expect(time.fits(2.1 * nominalSpeed)).toBe(false);
    time.spend(nominalSpeed);
    expect(time.elapsed()).toBe(1);
    expect(time.fits(1.1 * nominalSpeed)).toBe(false);
    expect(time.expired).toBe(false);
    time.spend(1.1 * nominalSpeed);
    expect(time.expired).toBe(true);
    expect(budget({ clock }).expired).toBe(false);
  });

  it("has no time for anything where it is aborted", () => {
    const controller = new AbortController();
    const time = budget({ signal: controller.signal });
    expect(time.fits(1)).toBe(true);
    controller.abort();
    expect([time.fits(1), time.expired]).toEqual([false, true]);
  });
});

/** Layers of ReLU, wide enough that a descent does not end at once. */
function dense(widths: readonly number[]): Network {
  const source = random(3);
  const nodes: NodeOf[] = [];
  const tensors: Record<string, Tensor> = {};
  widths.slice(1).forEach((n, i) => {
    tensors[`w${i}`] = normalTensor(source, [widths[i], n], 1 / Math.sqrt(widths[i]));
    if (i > 0) nodes.push({ op: "Relu", in: [`h${i - 1}`], out: [`a${i}`] });
    nodes.push({ op: "MatMul", in: [i === 0 ? "x" : `a${i}`, `w${i}`], out: [`h${i}`] });
  });
  return parseOnnx(modelOf({ inputs: { x: ["n", widths[0]] }, nodes, outputs: [`h${widths.length - 2}`], tensors }));
}

const timeless = (value: unknown): string => JSON.stringify(value, (key, v) => (key === "seconds" ? undefined : v));

describe("lipschitz() without seconds", () => {
  const engine = nodeEngine({ threads: 1 });
  const box = { kind: "box", low: new Array(12).fill(-1), high: new Array(12).fill(1) } as const;

  it.each([
    ["2", undefined],
    ["inf", undefined],
    ["2", box],
  ] as const)("gives the same answer on a machine a thousand times as slow, in l%s", async (norm, domain) => {
    const network = dense([12, 24, 24, 5]);
    const ask = () => lipschitz(network, { engine, norm, ...(domain && { domain }) });
    const quiet = await ask();
    const real = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => 1000 * real());
    const busy = await ask();
    expect(timeless(busy)).toBe(timeless(quiet));
    expect(quiet.bounds.every(({ status }) => status !== "stopped")).toBe(true);
  });
});

describe("lipschitz() with seconds", () => {
  it("shares them, and says what the clock stopped", async () => {
    const engine = nodeEngine({ threads: 1 });
    // The work that is said takes its nominal time.
    const clock = slowClock(1 / nominalSpeed);
    const { bounds } = await lipschitz(dense([12, 40, 40, 40, 5]), { engine, seconds: 0.2, clock });
    expect(bounds.filter(({ status }) => status === "stopped").map(({ method }) => method)).toContain("lipsdp");
    // The last step is finished; no method takes the whole time once more.
    expect(clock.now() / 1000).toBeLessThan(0.4);
  });
});

describe("lipschitz() on an image network whose clock ends in the middle", () => {
  const network = parseOnnx(resnet18({ side: 32, thinner: 4 }));

  it.each([1, 2, 8, 40])("compiles nothing more and has a proved bound: at question %i", async (n) => {
    let asked = 0;
    const clock: Clock = { now: () => (asked++ < n ? 0 : 1e9), spend() {} };
    let late = 0;
    const engine = nodeEngine({ threads: 1 });
    const counting = {
      ...engine,
      compile: (outputs: Parameters<typeof engine.compile>[0]) => {
        if (asked >= n) late++;
        return engine.compile(outputs);
      },
    };
    const { upper, bounds } = await lipschitz(network, { engine: counting, seconds: 1e5, clock });
    expect(upper?.proved).toBe(true);
    expect(late).toBe(0);
    const below = bounds.filter(({ side }) => side === "lower");
    expect(below.map(({ status }) => status)).toEqual(["stopped", "stopped"]);
    expect(below[0].why).toBe("out of time before its search began");
  });
});

describe("autoLip() on image networks", () => {
  const subject = subjectOf(parseOnnx(resnet18({ side: 16, thinner: 4 })));
  const total = (layers: readonly { readonly crude?: true }[]) => layers.filter(({ crude }) => crude).length;

  it("has no crude norm, and none from below that nobody asked for, without a limit", async () => {
    const { bound, propagation } = await autoLip(subject, 2);
    expect(bound.status).toBe("done");
    expect(total(propagation.layers)).toBe(0);
    expect(propagation.layers.every(({ lower }) => lower !== 0)).toBe(true);
  });

  it("leaves crude what costs most, not what comes last, and says how many", async () => {
    const fresh = subjectOf(parseOnnx(resnet18({ side: 16, thinner: 4 })));
    const clock = slowClock(1 / nominalSpeed);
    const { bound, propagation } = await autoLip(fresh, 2, { seconds: 0.7, clock });
    const { layers } = propagation;
    const crude = total(layers);
    expect(bound.status).toBe("stopped");
    expect(crude).toBeGreaterThan(0);
    expect(bound.why).toBe(`time ran out: ${crude} of 21 layers have crude norms`);
    expect(layers.every(({ crude: rough, lower }) => !rough || lower === null)).toBe(true);
    // The last layer is cheap.
    expect(layers[layers.length - 1].crude).toBeUndefined();
    expect(clock.now() / 1000).toBeLessThan(0.7);
    const { bound: whole } = await autoLip(fresh, 2);
    expect(bound.value).toBeGreaterThan(whole.value);
    expect(whole.status).toBe("done");
  });

  it("knows networks of branches and gates too", async () => {
    const { bound } = await autoLip(subjectOf(parseOnnx(mixed({ side: 16, thinner: 8 }))), 2);
    expect([bound.status, bound.proved]).toEqual(["done", true]);
  });
});
