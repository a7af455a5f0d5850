/** @file Proved bounds of a model against what pairs of its points show, and witnessed ones against their own witness: in every norm, everywhere, on balls and boxes. */
import type { InferenceSession } from "onnxruntime-node";
import type { LowerBound, Norm } from "../../src/bounds/bound.ts";
import type { Domain } from "../../src/bounds/domain.ts";
import { asFunction } from "../../src/bounds/fixed.ts";
import { lipschitz } from "../../src/bounds/index.ts";
import { lengthOf } from "../../src/bounds/length.ts";
import { type Subject, subjectOf } from "../../src/bounds/subject.ts";
import type { Node } from "../../src/graph/graph.ts";
import type { Network } from "../../src/graph/network.ts";
import { UsageError } from "../../src/tensor/errors.ts";
import type { Random } from "../../src/tensor/random.ts";
import { plainEngine } from "../plainEngine.ts";
import { inputsFor, runModel } from "./agree.ts";
import { enclose, float32, float64 } from "./rounding.ts";

export interface Bounded {
  /** Upper bounds that were finite, and those asked for. */
  readonly finite: number;
  readonly asked: number;
  readonly lowers: number;
  /** The largest quotient seen over the smallest upper bound. */
  readonly nearest: number;
  /** Why there is no constant, in the library's words. */
  readonly refused?: string;
  readonly breach?: string;
}

/** Ask for bounds in one norm and one domain, and look for points that refute them. */
export async function bounded(
  session: InferenceSession,
  network: Network,
  r: Random,
  bound: typeof lipschitz = lipschitz,
): Promise<Bounded> {
  const none = { finite: 0, asked: 0, lowers: 0, nearest: 0 };
  let subject: Subject;
  try {
    subject = subjectOf(network);
  } catch (cause) {
    if (cause instanceof UsageError) return { ...none, refused: cause.message };
    throw cause;
  }
  const norm = ([1, 2, "inf"] as const)[r.integer(3)];
  const domain = domainFor(r, subject.size);
  const { x, y } = subject.at(1, "float64");
  const seen = search(r.fork("pairs"), asFunction(y, x), norm, domain, subject.size);
  const names = methodsFor(r, norm, domain);
  const { bounds } = await bound(network, {
    engine: plainEngine,
    norm,
    domain,
    methods: names,
    // These two go on until they are told to end; what they have by then has to hold as well.
    seconds: names.includes("lipsdp") || names.includes("seqlip") ? 0.004 : Number.POSITIVE_INFINITY,
    rounds: 1,
    seed: 1,
  });
  const uppers = bounds.filter((b) => b.side === "upper");
  const finite = uppers.filter((b) => b.proved && b.value < Number.POSITIVE_INFINITY);
  const smallest = finite.reduce((least, b) => (b.value < least.value ? b : least), {
    value: Number.POSITIVE_INFINITY,
    method: "none",
  });
  const lowers = bounds.filter((b) => b.side === "lower");
  const about = `l${norm}, ${domain.kind}, ${smallest.method} proves ${smallest.value}`;
  let breach: string | undefined;
  if (seen.quotient > smallest.value) {
    const sure = surely(y, x, seen.from, seen.to, norm);
    if (sure > smallest.value) breach = `${about}, a pair shows ${sure}: ${shown(seen.from)} and ${shown(seen.to)}`;
  }
  breach ??= await refutedByRuntime(session, subject, r, norm, domain, smallest.value, about);
  for (const lower of lowers) {
    if (lower.value > smallest.value) breach ??= `${about}, ${lower.method} witnesses ${lower.value}`;
    const wrong = misfit(lower, y, x, norm);
    if (wrong) breach ??= `l${norm}, ${domain.kind}, ${lower.method} says ${lower.value}: ${wrong}`;
  }
  const why = finite.length === 0 ? uppers.map((b) => b.why ?? "").find((w) => w !== "") : undefined;
  return {
    finite: finite.length,
    asked: uppers.length,
    lowers: lowers.filter((b) => b.value > 0).length,
    nearest: finite.length > 0 && smallest.value > 0 ? seen.quotient / smallest.value : 0,
    ...(why === undefined ? {} : { refused: why }),
    ...(breach === undefined ? {} : { breach }),
  };
}

// --- internal ---

/** The walk always; one method of chains, and one search from below. */
function methodsFor(r: Random, norm: Norm, domain: Domain): string[] {
  const chains =
    norm === 2 && domain.kind === "global" ? ["eclipse-fast", "seqlip", "frobenius", "combettes-pesquet"] : [];
  const above = ["interval", "recurjac", "lipsdp", ...chains];
  const below = ["jacobian", "pairs", ""][r.integer(3)];
  return ["autolip", above[r.integer(above.length)], ...(below === "" ? [] : [below])];
}

function domainFor(r: Random, size: number): Domain {
  const kind = r.integer(4);
  if (kind < 2) return { kind: "global" };
  const center = Array.from({ length: size }, () => r.normal());
  const radius = [0.1, 1, 4][r.integer(3)];
  if (kind === 2) return { kind: "ball", center, radius, norm: r.integer(2) === 0 ? 2 : "inf" };
  // One side in eight is flat.
  const sides = center.map(() => (r.integer(8) === 0 ? 0 : radius * r.uniform()));
  return { kind: "box", low: center.map((c, i) => c - sides[i]), high: center.map((c, i) => c + sides[i]) };
}

type Seen = { readonly quotient: number; readonly from: Float64Array; readonly to: Float64Array };

/** The steepest of some pairs: near and far, along axes and along signs, at kinks; then a few steps up from there. */
function search(r: Random, f: (x: Float64Array) => Float64Array, norm: Norm, domain: Domain, size: number): Seen {
  let best: Seen = { quotient: 0, from: new Float64Array(size), to: new Float64Array(size) };
  const look = (from: Float64Array, fx: Float64Array, to: Float64Array) => {
    const run = lengthOf(
      to.map((v, i) => v - from[i]),
      norm,
    );
    if (!(run > 0)) return;
    const fy = f(to);
    const rise = lengthOf(
      fy.map((v, i) => v - fx[i]),
      norm,
    );
    const quotient = rise / run;
    if (quotient > best.quotient && Number.isFinite(quotient)) best = { quotient, from, to };
  };
  const starts =
    domain.kind === "global"
      ? inputsFor(r, size).map((p) => Float64Array.from(p))
      : Array.from({ length: 8 }, () => pointOf(domain, r, size));
  for (const from of starts) {
    const fx = f(from);
    for (const step of [2 ** -10, 0.05, 0.5, 3]) {
      const axis = r.integer(size);
      const ways = [
        from.map((v, i) => v + (i === axis ? step : 0)),
        from.map((v) => v + step * (r.integer(2) === 0 ? 1 : -1)),
        from.map((v) => v + step * r.normal()),
      ];
      for (const to of ways) look(from, fx, drawnIn(domain, to));
    }
    look(from, fx, starts[r.integer(starts.length)]);
  }
  for (let k = 0; k < 24; k++) {
    const scale = [0.5, 0.1, 0.02][k % 3];
    const { from, to } = best;
    const gap = to.map((v, i) => v - from[i]);
    const size1 = lengthOf(gap, "inf") || 1;
    const near = drawnIn(
      domain,
      from.map((v, i) => (k % 2 === 0 ? v + scale * size1 * r.normal() : v + 0 * i)),
    );
    look(
      near,
      f(near),
      drawnIn(
        domain,
        near.map((v, i) => v + gap[i] + scale * size1 * r.normal()),
      ),
    );
  }
  return best;
}

/** A point of a ball or box, in a corner as often as not. */
function pointOf(domain: Domain, r: Random, size: number): Float64Array {
  const corner = r.integer(2) === 0;
  const unit = () => (corner ? 2 * r.integer(2) - 1 : 2 * r.uniform() - 1);
  if (domain.kind === "box") {
    return Float64Array.from({ length: size }, (_, i) => {
      const t = (unit() + 1) / 2;
      return t === 1 ? domain.high[i] : domain.low[i] + t * (domain.high[i] - domain.low[i]);
    });
  }
  if (domain.kind === "global") return new Float64Array(size);
  return drawnIn(
    domain,
    Float64Array.from({ length: size }, (_, i) => domain.center[i] + domain.radius * unit()),
  );
}

/** The point, moved into the domain where it is outside. */
function drawnIn(domain: Domain, x: Float64Array): Float64Array {
  if (domain.kind === "global") return x;
  if (domain.kind === "box") return x.map((v, i) => Math.min(domain.high[i], Math.max(domain.low[i], v)));
  const gap = x.map((v, i) => v - domain.center[i]);
  const length = lengthOf(gap, domain.norm);
  if (length <= domain.radius * (1 - 1e-9)) return x;
  return gap.map((v, i) => domain.center[i] + (v / length) * domain.radius * (1 - 1e-9));
}

/** What two points show for sure, with all rounding of the reference taken off. */
function surely(y: Node, x: Node, from: Float64Array, to: Float64Array, norm: Norm): number {
  const [a] = enclose([y], new Map([[x, from]]), float64);
  const [b] = enclose([y], new Map([[x, to]]), float64);
  const rise = a.value.map((v, i) => Math.max(0, Math.abs(b.value[i] - v) - a.error[i] - b.error[i]));
  const run = lengthOf(
    to.map((v, i) => v - from[i]),
    norm,
  );
  const quotient = lengthOf(rise, norm) / run;
  return Number.isFinite(quotient) ? quotient * (1 - 1e-12) : 0;
}

/** Does the file as it runs stretch more than is proved? With the rounding of float32 taken off. */
async function refutedByRuntime(
  session: InferenceSession,
  subject: Subject,
  r: Random,
  norm: Norm,
  domain: Domain,
  upper: number,
  about: string,
): Promise<string | undefined> {
  if (!(upper < Number.POSITIVE_INFINITY)) return undefined;
  const drawn =
    domain.kind === "global"
      ? inputsFor(r, subject.size)
      : Array.from({ length: 5 }, () => Float32Array.from(pointOf(domain, r, subject.size)));
  // Rounded to float32 a point may be outside.
  const points = drawn.filter(
    (p) => domain.kind === "global" || drawnIn(domain, Float64Array.from(p)).every((v, i) => v === p[i]),
  );
  const { x, y } = subject.at(1, "float32");
  const shape = x.shape;
  const all: { readonly p: Float32Array; readonly out: Float64Array; readonly error: Float64Array }[] = [];
  for (const p of points.slice(0, 6)) {
    let out: Float64Array;
    try {
      out = Float64Array.from((await runModel(session, p, shape)).flatMap((row) => [...row]));
    } catch {
      return undefined;
    }
    const [{ error }] = enclose([y], new Map([[x, Float64Array.from(p)]]), float32);
    if (error.some((e) => e === Number.POSITIVE_INFINITY) || out.some((v) => !Number.isFinite(v))) continue;
    for (const other of all) {
      const rise = out.map((v, i) => Math.max(0, Math.abs(v - other.out[i]) - 2 * (error[i] + other.error[i])));
      const run = lengthOf(
        Float64Array.from(p, (v, i) => v - other.p[i]),
        norm,
      );
      const quotient = lengthOf(rise, norm) / run;
      if (run > 0 && quotient > upper * (1 + 1e-9)) {
        return `${about}, the runtime shows ${quotient}: ${shown(p)} and ${shown(other.p)}`;
      }
    }
    all.push({ p, out, error });
  }
  return undefined;
}

/** Is a lower bound more than its witness shows? */
function misfit(
  { value, witness }: Pick<LowerBound, "value" | "witness">,
  y: Node,
  x: Node,
  norm: Norm,
): string | null {
  if (!witness) return value === 0 ? null : "no witness";
  const from = Float64Array.from(witness.x);
  const to = Float64Array.from(witness.y);
  const [a] = enclose([y], new Map([[x, from]]), float64);
  const [b] = enclose([y], new Map([[x, to]]), float64);
  // As much as rounding may hide.
  const rise = a.value.map((v, i) => Math.abs(b.value[i] - v) + a.error[i] + b.error[i]);
  const run = lengthOf(
    to.map((v, i) => v - from[i]),
    norm,
  );
  const most = lengthOf(rise, norm) / run;
  return !(value > most * (1 + 1e-9)) ? null : `its witness shows at most ${most}`;
}

const shown = (p: ArrayLike<number>): string =>
  p.length <= 8 ? `[${Array.from(p).join(",")}]` : `${p.length} numbers`;
