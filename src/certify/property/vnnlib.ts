/**
 * @file VNN-LIB, the form in which the field writes properties of networks: assertions about inputs X_i and outputs Y_j that describe what must not
 * happen. Read are boxes of inputs and linear conditions on outputs, with `and` and `or` around them; anything else is refused with its line.
 */

import { type Enclosure, exactly, over, plus, times } from "../../bounds/patterns/enclosure.ts";
import { down, up } from "../../linalg/rounding.ts";
import { ReadError } from "../../tensor/errors.ts";

/** row . y + offset <= 0. */
export interface Condition {
  readonly row: Float64Array;
  readonly offset: number;
}

/** A box of inputs, and conditions of which all hold at an output that must not happen; none means every output. */
export interface Case {
  /** Around the box that is written: what is proved of this is true of that. */
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** Within it: a point of this is one of that. The two differ by units in the last place. */
  readonly within: { readonly low: Float64Array; readonly high: Float64Array };
  readonly conditions: readonly Condition[];
}

/** A property is violated by an input that is in the box of a case and whose output meets its conditions. */
export interface Property {
  readonly inputs: number;
  readonly outputs: number;
  readonly cases: readonly Case[];
}

/**
 * Parse a .vnnlib file. Decimals are read as doubles, and what is computed of them (sums, products with a number) has to be exact in doubles; the bound of an input may be a
 * quotient that is not: the box is known from around and from within. Throws ReadError.
 */
export function parseVnnlib(text: string, name = "property"): Property {
  const fail = (line: number, what: string): never => {
    throw new ReadError(`${name}: line ${line}: ${what}`);
  };
  const sizes = { X: 0, Y: 0 };
  const clauses: Clause[][][] = [];
  for (const term of termsOf(text, fail)) {
    const [head, ...rest] = listOf(term, fail);
    const word = wordOf(head, fail);
    if (word === "declare-const" || word === "declare-fun") {
      const variable = rest[0];
      const found = variableName.exec(wordOf(variable, fail));
      const sort = rest[rest.length - 1];
      if (rest.length < 2 || sort.word !== "Real")
        fail(
          term.line,
          `variables are Real, got ${sort.word === undefined || rest.length < 2 ? "none" : `"${sort.word}"`}`,
        );
      if (!found)
        fail(term.line, `variables are called X_0, X_1, ... and Y_0, Y_1, ..., got "${wordOf(variable, fail)}"`);
      else sizes[found[1] as "X" | "Y"] = Math.max(sizes[found[1] as "X" | "Y"], Number(found[2]) + 1);
    } else if (word === "assert") {
      if (rest.length !== 1) fail(term.line, "assert takes one formula");
      clauses.push(alternativesOf(rest[0], fail));
    } else fail(term.line, `unknown command "${word}"; known: declare-const, declare-fun, assert`);
  }
  if (sizes.X === 0 || sizes.Y === 0) fail(1, "it declares no inputs X_i or no outputs Y_j");
  let all: Clause[][] = [[]];
  for (const alternatives of clauses) all = product(all, alternatives, fail);
  const cases = all.flatMap((one) => caseOf(one, sizes, fail) ?? []);
  return { inputs: sizes.X, outputs: sizes.Y, cases };
}

// --- internal ---

/** Alternatives that a property may have, and how deep formulas may be. */
const most = { alternatives: 20_000, depth: 200 };

/** One name for each. */
const variableName = /^([XY])_(0|[1-9]\d*)$/;

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

type Fail = (line: number, what: string) => never;

interface Term {
  readonly line: number;
  readonly word?: string;
  readonly list?: readonly Term[];
}

/** sum of coefficients times variables + constant <= 0. */
interface Clause {
  readonly line: number;
  readonly terms: ReadonlyMap<string, number>;
  readonly constant: number;
}

function termsOf(text: string, fail: Fail): readonly Term[] {
  const top: Term[] = [];
  const open: { line: number; list: Term[] }[] = [];
  let line = 1;
  for (const [token] of text.matchAll(/\n|;[^\n]*|[()]|[^\s();]+/g)) {
    if (token === "\n") line++;
    else if (token.startsWith(";")) continue;
    else if (token === "(") {
      if (open.length > most.depth) fail(line, "formulas are nested too deeply");
      open.push({ line, list: [] });
    } else {
      const done = token === ")" ? open.pop() : { line, word: token };
      if (!done) return fail(line, 'there is a ")" too many');
      const into = open.length > 0 ? open[open.length - 1].list : top;
      into.push(done);
    }
  }
  if (open.length > 0) fail(open[open.length - 1].line, 'a "(" is never closed');
  return top;
}

const listOf = (term: Term, fail: Fail): readonly Term[] =>
  term.list && term.list.length > 0 ? term.list : fail(term.line, `a list was expected, got "${term.word ?? "()"}"`);

const wordOf = (term: Term | undefined, fail: Fail): string =>
  term?.word ?? fail(term?.line ?? 1, "a word was expected");

/** A formula as alternatives of clauses that all hold. */
function alternativesOf(term: Term, fail: Fail): Clause[][] {
  const [head, ...rest] = listOf(term, fail);
  const word = wordOf(head, fail);
  switch (word) {
    case "and":
      return rest.map((r) => alternativesOf(r, fail)).reduce((a, b) => product(a, b, fail), [[]]);
    case "or":
      return rest.flatMap((r) => alternativesOf(r, fail));
    case "<=":
    case ">=": {
      if (rest.length !== 2) fail(term.line, `${word} takes two terms, got ${rest.length}`);
      const [a, b] = rest.map((r) => linearOf(r, fail));
      const [less, more] = word === "<=" ? [a, b] : [b, a];
      return [[{ ...joined(less, more, -1, term.line, fail), line: term.line }]];
    }
    default:
      return fail(term.line, `unknown "${word}" in a formula; known: and, or, <=, >=`);
  }
}

function product(a: Clause[][], b: Clause[][], fail: Fail): Clause[][] {
  if (a.length * b.length > most.alternatives)
    fail(b[0]?.[0]?.line ?? 1, `more than ${most.alternatives} alternatives`);
  return a.flatMap((x) => b.map((y) => [...x, ...y]));
}

interface Linear {
  readonly terms: ReadonlyMap<string, number>;
  readonly constant: number;
}

function linearOf(term: Term, fail: Fail): Linear {
  if (term.word !== undefined) {
    if (variableName.test(term.word)) return { terms: new Map([[term.word, 1]]), constant: 0 };
    return { terms: new Map(), constant: numberOf(term.word, term.line, fail) };
  }
  const [head, ...rest] = listOf(term, fail);
  const parts = rest.map((r) => linearOf(r, fail));
  const word = wordOf(head, fail);
  const join = (a: Linear, b: Linear, factor: number) => joined(a, b, factor, term.line, fail);
  const nothing: Linear = { terms: new Map(), constant: 0 };
  if (word === "+" && parts.length > 0) return parts.reduce((a, b) => join(a, b, 1));
  if (word === "-" && parts.length === 1) return join(nothing, parts[0], -1);
  if (word === "-" && parts.length > 1) return parts.reduce((a, b) => join(a, b, -1));
  if (word === "*" && parts.length === 2) {
    const [a, b] = parts[0].terms.size === 0 ? parts : [parts[1], parts[0]];
    if (a.terms.size === 0) return join(nothing, b, a.constant);
    return fail(term.line, "a product of two variables is not linear");
  }
  return fail(term.line, `unknown "${word}" in a term; known: +, -, *`);
}

function numberOf(word: string, line: number, fail: Fail): number {
  if (!decimal.test(word)) fail(line, `neither a variable nor a number: "${word}"`);
  const value = Number(word);
  const lost = value === 0 && /[1-9]/.test(word.split(/[eE]/)[0]);
  if (lost || !Number.isFinite(value)) fail(line, `a number out of the range of doubles: "${word}"`);
  return value;
}

/** a + factor b. */
function joined(a: Linear, b: Linear, factor: number, line: number, fail: Fail): Linear {
  const sum = (v: number, w: number): number => {
    const [low, high]: Enclosure = plus(exactly(v), times(exactly(factor), exactly(w)));
    if (low === high && Number.isFinite(low)) return low;
    return fail(line, `${v} + ${factor} * ${w} is no double; write what is computed of numbers as one number`);
  };
  const terms = new Map(a.terms);
  for (const [name, value] of b.terms) terms.set(name, sum(terms.get(name) ?? 0, value));
  return { terms, constant: sum(a.constant, b.constant) };
}

/** Null where the box is empty. */
function caseOf(
  clauses: readonly Clause[],
  sizes: { readonly X: number; readonly Y: number },
  fail: Fail,
): Case | null {
  const low = new Float64Array(sizes.X).fill(Number.NEGATIVE_INFINITY);
  const high = new Float64Array(sizes.X).fill(Number.POSITIVE_INFINITY);
  const within = { low: low.slice(), high: high.slice() };
  const conditions: Condition[] = [];
  for (const { terms, constant, line } of clauses) {
    const own = [...terms].filter(([, value]) => value !== 0);
    for (const [name] of own) {
      const [kind, index] = [name[0] as "X" | "Y", Number(name.slice(2))];
      if (index >= sizes[kind]) fail(line, `${name} is not declared`);
    }
    const inputs = own.filter(([name]) => name.startsWith("X"));
    if (inputs.length > 0) {
      if (own.length > 1) fail(line, "a condition on an input must be a bound of that input alone");
      const [[name, value]] = inputs;
      const at = Number(name.slice(2));
      const [least, most] = over(exactly(-constant), exactly(value));
      if (value > 0) {
        high[at] = Math.min(high[at], most);
        within.high[at] = Math.min(within.high[at], least);
      } else {
        low[at] = Math.max(low[at], least);
        within.low[at] = Math.max(within.low[at], most);
      }
      continue;
    }
    const row = new Float64Array(sizes.Y);
    for (const [name, value] of own) row[Number(name.slice(2))] = value;
    if (own.length > 0) conditions.push({ row, offset: constant });
    else if (constant > 0) return null;
  }
  for (let i = 0; i < sizes.X; i++) {
    if (!(Number.isFinite(low[i]) && Number.isFinite(high[i])))
      fail(1, `X_${i} must be bounded below and above in every case`);
    if (low[i] > high[i]) return null;
  }
  // A decimal was rounded.
  return { low: low.map(down), high: high.map(up), within, conditions };
}
