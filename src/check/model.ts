/**
 * @file A model held against the runtime that runs it: is the graph that was read the one that the file is? Every bound, radius and curvature is one of the
 * graph; that it is one of the file is seen here, at a few points, node by node.
 */
import { budget, type Clock } from "../bounds/budget.ts";
import type { Engine, Program } from "../engine/engine.ts";
import { bitsOfHalf, halfOf } from "../engine/narrow.ts";
import { input } from "../graph/leaf.ts";
import type { Port } from "../graph/network.ts";
import { exposed } from "../onnx/expose.ts";
import { type Reading, type ReadOptions, readingOf } from "../onnx/read.ts";
import { DisagreementError, EngineError, ShapeError } from "../tensor/errors.ts";
import { mapNamed, type Named } from "../tensor/named.ts";
import { random } from "../tensor/random.ts";
import { sizeOf } from "../tensor/shape.ts";
import { cast, type DType, isFloat, type Tensor, tensor, toFloat64 } from "../tensor/tensor.ts";
import { checkStep, type Walked } from "./step.ts";

export interface CheckOptions extends ReadOptions {
  readonly engine: Engine;
  /** Numbers of the model's first input, as many as one finds: samples side by side. Default: normal numbers. */
  readonly points?: ArrayLike<number>;
  /** Default 0. */
  readonly seed?: number;
  /** What takes longer is not begun: of a large model nothing may be looked at, or a part; a small one is looked at whole. Default: no limit. */
  readonly seconds?: number;
  /** What `seconds` are measured by. Default: the machine's clock. */
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

/** What was held against the runtime; that it is there says that nothing differs. */
export interface ModelCheck {
  readonly runtime: string;
  /** How many samples were in the runs, for a free batch 1 and 3; none where there was no time for any run. */
  readonly batches: readonly number[];
  /** Nodes of the file that compute, to rounding, what was read. */
  readonly nodes: number;
  /** Names of those of which nothing can be said, or for which there was no time. */
  readonly open: readonly string[];
  /** Were the outputs of the file, run as it is, compared too, beside its nodes? False where there was no time. */
  readonly whole: boolean;
  readonly seconds: number;
}

/**
 * Run the bytes of a model as they are, and hold them against the graph that is read from them.
 *
 *     const { nodes, open } = await checkModel(bytes, { engine });
 *
 * Every node is given the runtime's own values of its inputs, so that no rounding piles up; its result must lie in what float32 may make of it (`explained`). The
 * outputs of the file run as a whole must be those of the graph in float64, to what rounding did to them. Throws DisagreementError with the first node that differs, or
 * where the runtime refuses the file; and what `parseOnnx` throws.
 */
export async function checkModel(model: Uint8Array, options: CheckOptions): Promise<ModelCheck> {
  return checkReading(readingOf(model, options), model, options);
}

/** Hold a reading, made with the same options, against the file that it is to be of. */
export async function checkReading(reading: Reading, model: Uint8Array, options: CheckOptions): Promise<ModelCheck> {
  const { engine, external, seconds, clock: passing, signal, seed = 0 } = options;
  const clock = budget({ seconds, clock: passing, signal });
  const { network, steps } = reading;
  const who = network.name;
  const names = steps.flatMap((step) => step.outputs.filter((name) => reading.wanted.has(name)));
  const open = new Set<string>();
  const held = (batches: readonly number[], all: boolean): ModelCheck => ({
    runtime: engine.name,
    batches,
    nodes: steps.length - open.size,
    open: [...open],
    whole: all,
    seconds: clock.elapsed(),
  });
  let [done, granted] = [0, 0];
  const affords = (work: number) => {
    const small = granted + work <= always;
    if (!small && !clock.fits(work)) return false;
    if (small) granted += work;
    done += work;
    return true;
  };
  const opening = openingWork(reading);
  const opens = () => opening <= always || clock.fits(opening);
  if (!opens()) {
    for (const step of steps) open.add(step.name);
    return held([], false);
  }
  const traced = await opened(who, engine, exposed(model, names, external));
  try {
    let whole: Program | undefined;
    try {
      const batches: number[] = [];
      for (const [k, batch] of batchesOf(reading).entries()) {
        // What one run took, the next one takes for every sample.
        if (k > 0 && !affords((batch * done) / k)) break;
        batches.push(batch);
        const drawn = feedsOf(reading, batch, options.points, k, random(seed).fork(`check ${batch}`));
        const feeds = mapNamed(drawn, (t, name) => (traced.halves.has(name) ? roundedToHalf(t) : t));
        const values = await ran(who, traced, feeds);
        await nodeByNode(reading, new Map([...Object.entries(feeds), ...Object.entries(values)]), {
          halves: traced.halves,
          engine,
          open,
          affords,
          signal,
        });
        if (!(whole ? affords(done / (k + 1)) : opens())) break;
        whole ??= await opened(who, engine, exposed(model, network.outputs, external));
        await asWhole(reading, engine, whole, values, feeds);
      }
      // A free batch that the graph can be built on neither for one sample nor for three: nothing was run, and nothing is known.
      if (batches.length === 0) for (const step of steps) open.add(step.name);
      return held(batches, whole !== undefined);
    } finally {
      await whole?.dispose();
    }
  } finally {
    await traced.dispose();
  }
}

// --- internal ---

/** Work that is done whatever the clock says: a small network is looked at whole however busy the machine is. */
const always = 2 ** 24;

/** Multiply-adds that take as long as the runtime takes to open a model: its weights are copied, and read again. */
const openingWork = ({ tensors }: Reading): number =>
  80 * [...tensors.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);

const remedy = "--no-check takes the graph as it was read";

async function opened(who: string, engine: Engine, bytes: Uint8Array): Promise<Program> {
  try {
    return await engine.load(bytes);
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause;
    const why = cause.message.replace(/^compile: /, "");
    throw new DisagreementError(`${who}: the runtime does not take the file: ${why}; ${remedy}`, null, { cause });
  }
}

async function ran(who: string, program: Program, feeds: Named<Tensor>): Promise<Named<Tensor>> {
  try {
    return await program.run(Object.fromEntries(Object.keys(program.inputs).map((name) => [name, feeds[name]])));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new DisagreementError(`${who}: the runtime does not run the file: ${why}; ${remedy}`, null, { cause });
  }
}

/** A fixed batch is what it is; a free one is 1 and 3 as far as the graph can be built on it. */
function batchesOf({ network }: Reading): readonly number[] {
  if (!network.inputs.some((p) => p.shape.some((d) => typeof d === "string"))) return [1];
  const fits = (batch: number) => {
    try {
      network.build(network.inputs.map((p) => input(p.name, shapeOf(p, batch), p.dtype)));
      return true;
    } catch (cause) {
      if (cause instanceof ShapeError) return false;
      throw cause;
    }
  };
  return [1, 3].filter(fits);
}

const shapeOf = ({ shape }: Port, batch: number): readonly number[] =>
  shape.map((d) => (typeof d === "number" ? d : batch));

/** Samples of the first input from the points, the next ones for the next run; other numbers are drawn. */
function feedsOf(
  { network, declared }: Reading,
  batch: number,
  points: ArrayLike<number> | undefined,
  run: number,
  source: ReturnType<typeof random>,
): Named<Tensor> {
  const feed = (port: Port, first: boolean): Tensor => {
    const shape = shapeOf(port, batch);
    const size = sizeOf(shape);
    const from = first && points && points.length > 0 ? points : undefined;
    const start = run * (size / batch);
    const number = (i: number) =>
      from ? from[(start + i) % from.length] : isFloat(port.dtype) ? source.normal() : source.integer(2);
    return cast(
      tensor(
        Float64Array.from({ length: size }, (_, i) => number(i)),
        shape,
        "float64",
      ),
      port.dtype,
    );
  };
  const [{ name: first } = { name: "" }] = network.inputs;
  return Object.fromEntries(declared.map((port) => [port.name, feed(port, port.name === first)]));
}

/** What the runtime is fed where it takes halves. */
const roundedToHalf = ({ shape, data }: Tensor): Tensor =>
  tensor(
    Float64Array.from(data as Float32Array, (v) => halfOf(bitsOfHalf(v))),
    shape,
  );

interface Surroundings {
  readonly engine: Engine;
  readonly halves: ReadonlySet<string>;
  readonly open: Set<string>;
  readonly signal?: AbortSignal;
  affords(work: number): boolean;
}

async function nodeByNode(
  reading: Reading,
  values: ReadonlyMap<string, Tensor>,
  { engine, halves, open, signal, affords }: Surroundings,
): Promise<void> {
  const { network, steps } = reading;
  const dtype: DType = network.inputs.some((p) => p.dtype === "float64") ? "float64" : "float32";
  const walked: Walked = {
    reading,
    stepwise: reading.stepwise(dtype),
    dtype,
    affords,
    values,
  };
  for (const step of steps) {
    signal?.throwIfAborted();
    const half = [...step.inputs, ...step.outputs].some((name) => halves.has(name));
    const found = await checkStep(step, walked, { unit: half ? 2 ** -11 : 2 ** -24, engine });
    if (found.kind === "open") open.add(step.name);
    if (found.kind === "differs") {
      const { name, operator } = step;
      const what = `node "${name}" (${operator}) computes something else in ${engine.name} than what is read here`;
      throw new DisagreementError(`${network.name}: ${what}: ${found.how}; ${remedy}`, name);
    }
  }
}

const fewBits =
  "of a product with weights in few bits (DequantizeLinear) it rounds the other factor to 8 bits, which has no constant: store the weights as floats";

/** Much more than rounding differs by between two ways to compute the same. */
const generous = 256;

/** Outputs of the file as it is, against those of the graph in float64; what the run with all values asked for is off, rounding did. */
async function asWhole(
  { network, steps }: Reading,
  engine: Engine,
  whole: Program,
  traced: Named<Tensor>,
  feeds: Named<Tensor>,
): Promise<void> {
  const wide = (t: Tensor) => (isFloat(t.dtype) ? cast(t, "float64") : t);
  const nodes = network.build(network.inputs.map((p) => input(p.name, feeds[p.name].shape, wide(feeds[p.name]).dtype)));
  // An output may be an input as it is, and have its name.
  const own = (name: string) => `the output ${name}`;
  const outputs = Object.fromEntries(network.outputs.map((name, i) => [own(name), nodes[i]]));
  const program = await engine.compile(outputs);
  try {
    const needed = Object.keys(program.inputs).map((name) => [name, wide(feeds[name])] as const);
    const exact = await program.run(Object.fromEntries(needed));
    const given = await ran(network.name, whole, feeds);
    for (const name of network.outputs) {
      if (!isFloat(given[name].dtype)) continue;
      // What the file gives as it is fed, the runtime need not say once more.
      const [graph, run, step] = [exact[own(name)], given[name], traced[name] ?? given[name]].map(toFloat64);
      const off = (a: Float64Array, b: Float64Array) =>
        a.reduce((top, v, i) => (Number.isFinite(v - b[i]) ? Math.max(top, Math.abs(v - b[i])) : top), 0);
      const size = graph.reduce((top, v) => (Number.isFinite(v) ? Math.max(top, Math.abs(v)) : top), 0);
      const unit = whole.halves.has(name) ? 2 ** -11 : 2 ** -24;
      const allowed = generous * (off(step, graph) + unit * size) + 2 ** -100;
      const most = off(run, graph);
      if (most <= allowed) continue;
      const what = `the output "${name}" differs by ${most}, more than rounding, though each node by itself agrees: the runtime rewrites the graph before it runs it`;
      const few = steps.some(({ operator }) => operator === "DequantizeLinear") ? `; ${fewBits}` : "";
      throw new DisagreementError(`${network.name}: ${what}${few}; ${remedy}`, null);
    }
  } finally {
    await program.dispose();
  }
}
