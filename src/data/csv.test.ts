/** @file Tests of csv.ts. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReadError } from "../tensor/errors.ts";
import { type CsvOptions, parseCsv } from "./csv.ts";

const parse = (text: string, options?: CsvOptions) => parseCsv("f", new TextEncoder().encode(text), options);

describe("parseCsv()", () => {
  const plain = "1,2.5,0\n-3,4e-1,1\n";

  it("takes the last column as the label", () => {
    const data = parse(plain);
    expect(data.shape).toEqual([2]);
    expect([...data.x]).toEqual([1, 2.5, -3, Math.fround(0.4)]);
    expect([...data.labels]).toEqual([0, 1]);
    expect([data.task, data.classes, data.count]).toEqual(["classification", 2, 2]);
  });

  it("reads the same through a header, CRLF, a byte order mark, blank lines and spaces", () => {
    const others = [
      `a,b,label\n${plain}`,
      plain.replaceAll("\n", "\r\n"),
      `\uFEFF${plain}`,
      `\n${plain}\n\n`,
      "1, 2.5 ,0\n-3,.4,1",
    ];
    for (const text of others) expect(parse(text)).toEqual(parse(plain));
  });

  it("takes the number of classes from scikit-learn's first line, and checks the counts", () => {
    expect(parse(`2,2,setosa,versicolor,virginica\n${plain}`)).toEqual({ ...parse(plain), classes: 3 });
    expect(() => parse(`3,2,a,b\n${plain}`)).toThrow(
      new ReadError("f: the header promises 3 samples of 2 features, got 2 of 2; is it truncated?"),
    );
    expect(() => parse(`2,2,a,b\n1,2,0\n3,4,2\n`)).toThrow("f: labels must be 0..1, got 2 for sample 1");
  });

  it("reads the last column as a target if told so", () => {
    const data = parse("1,0.5\n2,-1.5\n", { task: "regression" });
    expect([data.task, [...data.targets], [...data.labels], data.classes]).toEqual(["regression", [0.5, -1.5], [], 1]);
  });

  const faults: readonly (readonly [string, string])[] = [
    ["", "f: a CSV file must hold at least one line, got none"],
    ["a,b\n", "f: a data set must hold at least one sample, got only a header"],
    ["1,2,0\n1,1\n", "f: line 2 must have 3 columns like the first, got 2"],
    ["1,2,0\n\n1,x,1\n", 'f: line 3 must hold finite numbers, got "x"'],
    ["1,2,0\n1,,1\n", 'f: line 2 must hold finite numbers, got ""'],
    ["nan,2,0\n1,2,1\n", 'f: line 1 must hold finite numbers, got "nan"'],
    ["1,2,0\n1,Infinity,1\n", 'f: line 2 must hold finite numbers, got "Infinity"'],
    ["1,2,0\n1,0x10,1\n", 'f: line 2 must hold finite numbers, got "0x10"'],
    ["1,2,0\n1,1e99,1\n", "f: inputs must be finite, got Infinity in sample 1"],
    ["1,x2,0\n1,2,1\n", 'f: line 1 must hold finite numbers, got "x2"'],
    ["1;2,0\n", 'f: line 1 must hold finite numbers, got "1;2"; separate columns by commas'],
    ["1;2;0\n", "f: line 1 must have features and a label, separated by commas, got one column"],
    ["a,b\n1,2,0\n", "f: the header must name every column, got 2 names for 3 columns"],
    [
      "1,0\n1,-1\n",
      "f: the last column must be a class 0, 1, ..., got -1 in line 2; if it is a number to predict, say task regression",
    ],
    ["1,0\n1,0\n", "f: there must be at least two classes, got 1"],
    ["1,0\n1,70000\n", "f: labels must be whole numbers 0..65535, got 70000 for sample 1"],
    ['1,0\n"1,1\n', "f: line 2 must have 2 columns like the first, got 1"],
  ];
  it.each(faults)("refuses %j", (text, message) => {
    expect(() => parse(text)).toThrow(new ReadError(message));
  });

  it("refuses bytes that are no UTF-8", () => {
    expect(() => parseCsv("f", Uint8Array.of(0x31, 0xff, 0xfe))).toThrow("f: a CSV file must be UTF-8 text");
  });

  it("finds every truncation of a file with counts, from its header to its last cell", () => {
    const text = `2,2,a,b\n${plain}`;
    for (let n = 4; n < text.length - 2; n++) expect(() => parse(text.slice(0, n))).toThrow(ReadError);
  });

  it("parses or throws ReadError, whatever the text", () => {
    const piece = fc.constantFrom(
      "1",
      "0",
      "-2.5",
      "1e3",
      "nan",
      "",
      "a",
      '"',
      ",",
      ",",
      "\n",
      "\n",
      ";",
      " ",
      "2,2,a,b\n",
    );
    const check = (text: string) => {
      try {
        const data = parse(text);
        expect(data.x.every((v) => Number.isFinite(v))).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(ReadError);
      }
    };
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => check(pieces.join(""))),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.nat(plain.length), fc.string({ maxLength: 3 }), (at, text) =>
        check(plain.slice(0, at) + text + plain.slice(at + 1)),
      ),
      { numRuns: 500 },
    );
  });
});
