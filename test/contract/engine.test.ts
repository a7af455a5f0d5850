/** @file What every engine is asked: the reference's answers, safe parallel runs, a dispose that may be repeated, clear refusals. */
import { describe, expect, it } from "vitest";
import type { Engine, Iteration } from "../../src/engine/engine.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { grad } from "../../src/graph/gradient.ts";
import type { Node } from "../../src/graph/graph.ts";
import { constant, input } from "../../src/graph/leaf.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { add, div, mul, sub } from "../../src/ops/arith.ts";
import { sum } from "../../src/ops/broadcast.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { transpose } from "../../src/ops/movement.ts";
import { clip, relu, tanh } from "../../src/ops/pointwise.ts";
import { EngineError, ShapeError, UsageError } from "../../src/tensor/errors.ts";
import { mapNamed } from "../../src/tensor/named.ts";
import { normalTensor, random } from "../../src/tensor/random.ts";
import { cast, type DType, scalar, type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { turnByTurn } from "../plainEngine.ts";
import { testEngine } from "../testEngine.ts";

const engines: readonly (readonly [string, () => Engine])[] = [
  ["as many threads as it takes", () => testEngine()],
  ["one thread", () => testEngine({ threads: 1 })],
];

/** One step of gradient descent on |tanh(x w)|^2: forward, backward and update in one graph. */
function step(dtype: DType): Record<"loss" | "next", Node> {
  const x = input("x", [4, 3], dtype);
  const w = input("w", [3, 2], dtype);
  const y = tanh(matmul(x, w));
  const loss = sum(mul(y, y));
  const [slope] = grad(loss, [w]);
  return { loss, next: sub(w, mul(slope, 0.1)) };
}

const feeds = (dtype: DType): Record<"x" | "w", Tensor> => ({
  x: cast(normalTensor(random(1), [4, 3]), dtype),
  w: cast(normalTensor(random(2), [3, 2]), dtype),
});

/** Steps of that descent: samples and a rate for every turn, one factor for all of them, and a count of turns that nothing reads but itself. */
function descent(dtype: DType): Iteration {
  const [w, rate, factor, count] = [
    input("w", [3, 2], dtype),
    input("rate", [], dtype),
    input("factor", [], dtype),
    input("count", [], "int64"),
  ];
  const x = input("x", [4, 3], dtype);
  const y = tanh(matmul(mul(x, factor), w));
  const loss = sum(mul(y, y));
  const [slope] = grad(loss, [w]);
  return {
    outputs: {
      loss,
      "next/w": sub(w, mul(slope, rate)),
      "next/count": add(count, constant(scalar(1, "int64"))),
      // Nothing reads it in the next turn.
      "next/last": loss,
      slope,
    },
    carried: { w: "next/w", count: "next/count", last: "next/last" },
    each: ["x", "rate", "nowhere"],
  };
}

const descentFeeds = (dtype: DType, turns: number) => ({
  x: cast(normalTensor(random(6), [turns, 4, 3]), dtype),
  rate: cast(tensor(Float32Array.from({ length: turns }, (_, i) => 0.1 / (1 + i))), dtype),
  w: feeds(dtype).w,
  factor: scalar(0.5, dtype),
  count: scalar(40, "int64"),
  last: scalar(0, dtype),
});

const numbers = (t: Tensor): number[] => Array.from(t.data as Float64Array, Number);

describe.each(engines)("%s", (_, make) => {
  it.each([
    ["float32", 1e-5],
    ["float64", 1e-13],
  ] as const)("answers as the reference does in %s", async (dtype, tolerance) => {
    const program = await make().compile(step(dtype));
    const ours = await program.run(feeds(dtype));
    const judge = evaluate(step(dtype), feeds(dtype));
    for (const name of ["loss", "next"] as const) {
      expect(ours[name].dtype).toBe(dtype);
      numbers(judge[name]).forEach((v, i) => {
        expect(Math.abs(numbers(ours[name])[i] - v)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(v)));
      });
    }
    await program.dispose();
  });

  it("takes results back as feeds, and leaves what it was fed and what it gave before alone", async () => {
    const program = await make().compile(step("float32"));
    const { x, w } = feeds("float32");
    const before = [numbers(x), numbers(w)];
    const first = await program.run({ x, w });
    const kept = numbers(first.next);
    const second = await program.run({ x, w: first.next });
    expect(numbers(first.next)).toEqual(kept);
    expect([numbers(x), numbers(w)]).toEqual(before);
    expect(Number(second.loss.data[0])).toBeLessThan(Number(first.loss.data[0]));
    await program.dispose();
  });

  it("keeps runs apart that are started together", async () => {
    const program = await make().compile({ y: add(input("a", []), input("b", [])) });
    const runs = Array.from({ length: 20 }, (_, i) => program.run({ a: scalar(i), b: scalar(100) }));
    const results = await Promise.all(runs);
    expect(results.map((r) => Number(r.y.data[0]))).toEqual(Array.from({ length: 20 }, (_, i) => 100 + i));
    await program.dispose();
  });

  it("gives equal bits for equal feeds", async () => {
    const program = await make().compile(step("float32"));
    const [a, b] = [await program.run(feeds("float32")), await program.run(feeds("float32"))];
    expect(numbers(a.next)).toEqual(numbers(b.next));
    await program.dispose();
  });

  it("disposes once, however often it is asked, and runs no more", async () => {
    const program = await make().compile({ y: mul(input("a", []), 2) });
    await program.dispose();
    await program.dispose();
    await expect(program.run({ a: scalar(1) })).rejects.toThrow(EngineError);
  });

  it("runs a clip behind a relu in float64", async () => {
    const x = input("x", [3], "float64");
    const program = await make().compile({ y: clip(relu(x), 0.5, 2) });
    const { y } = await program.run({ x: cast(tensor([-1, 1, 5]), "float64") });
    await program.dispose();
    expect(numbers(y)).toEqual([0.5, 1, 2]);
  });

  it("keeps scalars beside products in float64", async () => {
    const x = input("x", [3, 4], "float64");
    const w = constant(cast(normalTensor(random(4), [4, 4]), "float64"));
    const built = {
      before: matmul(div(x, 3), w),
      behind: mul(matmul(x, w), 0.1),
      quotient: div(matmul(x, w), 255),
      both: mul(matmul(mul(x, 0.1), w), 1 / 3),
      scores: matmul(div(x, Math.sqrt(3)), transpose(x)),
    };
    const fed = { x: cast(normalTensor(random(5), [3, 4]), "float64") };
    const judge = evaluate(built, fed);
    for (const [name, y] of Object.entries(built)) {
      const program = await make().compile({ y });
      const ours = numbers((await program.run(fed)).y);
      await program.dispose();
      const right = numbers(judge[name as keyof typeof built]);
      right.forEach((v, i) => {
        expect(Math.abs(ours[i] - v)).toBeLessThanOrEqual(1e-14 * Math.max(1, Math.abs(v)));
      });
    }
  });

  it("loads the bytes of a model unread", async () => {
    const { y } = await (await make().load(writeModel({ y: mul(input("a", [2]), 2) }))).run({
      a: normalTensor(random(3), [2]),
    });
    expect(y.shape).toEqual([2]);
  });

  it("says which input is missing, unknown or of another type", async () => {
    const program = await make().compile({ y: add(input("a", [2]), input("b", [2])) });
    const [a, b] = [normalTensor(random(1), [2]), normalTensor(random(2), [2])];
    await expect(program.run({ a })).rejects.toThrow(/input "b" is missing/);
    await expect(program.run({ a, b, c: b })).rejects.toThrow(/unknown input "c"/);
    await expect(program.run({ a, b: scalar(1) })).rejects.toThrow(/"b" must be float32\[2\], got float32\[\]/);
    await expect(program.run({ a, b: cast(b, "float64") })).rejects.toThrow(/got float64/);
    await program.dispose();
  });

  it("refuses bytes that are no model", async () => {
    await expect(make().load(new Uint8Array([1, 2, 3]))).rejects.toThrow(EngineError);
  });

  it.each([
    ["float32", 1e-5],
    ["float64", 1e-12],
  ] as const)("iterates as the reference does turn by turn in %s", async (dtype, tolerance) => {
    const iteration = descent(dtype);
    const fed = descentFeeds(dtype, 5);
    const program = await make().iterate(iteration);
    const ours = await program.run(fed, 5);
    await program.dispose();
    const judge = turnByTurn(iteration, {
      inputs: program.inputs,
      run: async (feeds) => {
        const { last, ...read } = mapNamed(feeds, (t, name) => cast(t, program.inputs[name].dtype));
        return evaluate(iteration.outputs, read);
      },
      dispose: async () => {},
    });
    const right = await judge.run(fed, 5);
    expect(Object.keys(ours).sort()).toEqual(Object.keys(right).sort());
    for (const [name, want] of Object.entries(right)) {
      expect(ours[name].shape).toEqual(want.shape);
      numbers(want).forEach((v, i) => {
        expect(Math.abs(numbers(ours[name])[i] - v)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(v)));
      });
    }
    expect(ours.loss.shape).toEqual([5]);
    expect(ours.slope.shape).toEqual([5, 3, 2]);
    expect(numbers(ours["next/count"])).toEqual([45]);
    expect(numbers(ours["next/last"])).toEqual([numbers(ours.loss)[4]]);
  });

  it("iterates to the bits of single runs, however many turns a run has", async () => {
    const iteration = descent("float32");
    const fed = descentFeeds("float32", 7);
    const program = await make().iterate(iteration);
    const single = turnByTurn(iteration, await make().compile(iteration.outputs));
    const want = await single.run(fed, 7);
    const whole = await program.run(fed, 7);
    for (const name in want) expect(numbers(whole[name])).toEqual(numbers(want[name]));
    const part = (from: number, to: number) => ({
      x: tensor((fed.x.data as Float32Array).subarray(from * 12, to * 12), [to - from, 4, 3]),
      rate: tensor((fed.rate.data as Float32Array).subarray(from, to)),
    });
    const first = await program.run({ ...fed, ...part(0, 1) }, 1);
    const state = { w: first["next/w"], count: first["next/count"], last: first["next/last"] };
    const rest = await program.run({ ...fed, ...part(1, 7), ...state }, 6);
    expect(numbers(rest["next/w"])).toEqual(numbers(want["next/w"]));
    expect([...numbers(first.loss), ...numbers(rest.loss)]).toEqual(numbers(want.loss));
    await program.dispose();
    await single.dispose();
  });

  it("iterates where nothing is fed turn by turn, and leaves alone what it was fed", async () => {
    const [a, b] = [input("a", [2]), input("b", [2])];
    const program = await make().iterate({
      outputs: { "next/a": add(a, b), product: mul(a, b), same: b },
      carried: { a: "next/a" },
      each: [],
    });
    const fed = { a: tensor([1, 5]), b: tensor([1, -1]) };
    const results = await program.run(fed, 3);
    expect(mapNamed(results, numbers)).toEqual({
      "next/a": [4, 2],
      product: [1, -5, 2, -4, 3, -3],
      same: [1, -1, 1, -1, 1, -1],
    });
    expect([numbers(fed.a), numbers(fed.b)]).toEqual([
      [1, 5],
      [1, -1],
    ]);
    await program.dispose();
    await program.dispose();
    await expect(program.run(fed, 3)).rejects.toThrow(EngineError);
  });

  it("says what turns do not fit", async () => {
    const engine = make();
    const iteration = descent("float32");
    const program = await engine.iterate(iteration);
    const fed = descentFeeds("float32", 3);
    await expect(program.run(fed, 0)).rejects.toThrow(/turns must be a whole number >= 1, got 0/);
    await expect(program.run(fed, 2)).rejects.toThrow(/"x" must be float32\[2,4,3\], got float32\[3,4,3\]/);
    const { w, ...rest } = fed;
    await expect(program.run(rest, 3)).rejects.toThrow(/input "w" is missing/);
    await expect(program.run({ ...fed, nowhere: w }, 3)).rejects.toThrow(/unknown input "nowhere"/);
    await program.dispose();
    const x = input("x", [2]);
    const twice = mul(x, 2);
    const bad = (changed: Partial<Iteration>) =>
      engine.iterate({ outputs: { y: twice }, carried: { x: "y" }, each: [], ...changed });
    await expect(bad({ carried: { x: "z" } })).rejects.toThrow(UsageError);
    await expect(bad({ outputs: { y: sum(twice) } })).rejects.toThrow(ShapeError);
    await expect(bad({ outputs: { x: twice }, carried: { x: "x" } })).rejects.toThrow(/duplicate name "x"/);
  });
});
