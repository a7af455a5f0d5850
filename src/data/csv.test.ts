/** @file Tests of csv.ts. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReadError, UsageError } from "../tensor/errors.ts";
import { parseCsv } from "./csv.ts";
import type { Dataset } from "./dataset.ts";
import type { TableOptions } from "./table.ts";

const parse = (text: string, options?: TableOptions) =>
  parseCsv("f", new TextEncoder().encode(text), options) as Dataset;

describe("parseCsv()", () => {
  const plain = "1,2.5,0\n-3,4e-1,1\n";

  it("takes the last column as the label", () => {
    const data = parse(plain);
    expect(data.shape).toEqual([2]);
    expect([...data.x]).toEqual([1, 2.5, -3, Math.fround(0.4)]);
    expect([...data.labels]).toEqual([0, 1]);
    expect([data.task, data.classes, data.count, data.ids]).toEqual(["classification", 2, 2, ["row 0", "row 1"]]);
  });

  it("takes columns of derivatives, output by output, and then a regression", () => {
    const text = "a,b,u,v,ua,ub,va,vb\n1,2,3,4,5,6,7,8\n1,2,3,4,9,10,11,12\n";
    const data = parse(text, { label: ["u", "v"], slopes: ["ua", "ub", "va", "vb"] });
    expect([data.task, data.classes, data.shape, [...data.x]]).toEqual(["regression", 2, [2], [1, 2, 1, 2]]);
    expect([...(data.slopes ?? [])]).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
    expect(() => parse(text, { label: ["u"], slopes: ["ua", "ub", "va"] })).toThrow(
      "f: slopes must be 4 columns, one for each of 4 features and 1 answers, got 3; say with label what is predicted",
    );
    const classes = { label: ["u"], slopes: ["ua", "ub"], ignore: ["v", "va", "vb"], task: "classification" } as const;
    expect(() => parse(text, classes)).toThrow("slopes are of numbers to predict, and the task is a classification");
    expect(() => parse(text.replace("12", "x"), { label: ["u", "v"], slopes: ["ua", "ub", "va", "vb"] })).toThrow(
      ReadError,
    );
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
    const names = ["setosa", "versicolor", "virginica"];
    expect(parse(`2,2,${names}\n${plain}`)).toEqual({ ...parse(plain), classes: 3, classNames: names });
    expect(() => parse(`3,2,a,b\n${plain}`)).toThrow(
      new ReadError("f: the header promises 3 samples of 2 features, got 2 of 2; is it truncated?"),
    );
    expect(() => parse(`2,2,a,b\n1,2,0\n3,4,2\n`)).toThrow("f: labels must be 0..1, got 2 for sample 1");
  });

  it("names classes that are words, in the order of the alphabet by default", () => {
    const text = "1,2.5,rose\n-3,1,aster\n0,1,rose\n";
    const data = parse(text);
    expect([data.classNames, [...data.labels], data.shape]).toEqual([["aster", "rose"], [1, 0, 1], [2]]);
    expect([...parse(text, { classNames: ["rose", "tulip", "aster"] }).labels]).toEqual([0, 2, 0]);
    // Numbers that are names of classes are names; others are places.
    expect([...parse("1,-1\n2,1\n", { classNames: ["-1", "1"] }).labels]).toEqual([0, 1]);
    expect([...parse("1,0\n2,1\n", { classNames: ["no", "yes"] }).labels]).toEqual([0, 1]);
  });

  it("takes the column of samples' names, of labels and those to leave out as told, by name or place", () => {
    const text = "kind,a,code,b\n1,0.5,x7,2\n0,1.5,x8,3\n";
    const data = parse(text, { label: ["kind"], id: "code" });
    expect([[...data.x], [...data.labels], data.ids, data.notes]).toEqual([
      [0.5, 2, 1.5, 3],
      [1, 0],
      ["x7", "x8"],
      undefined,
    ]);
    expect([...parse(text, { label: ["0"], ignore: ["2", "b"] }).x]).toEqual([0.5, 1.5]);
    expect(() => parse(text, { id: "c" })).toThrow('f: id must be a column (kind, a, code, b, or 0..3), got "c"');
    // Guessed where one column of text names every sample anew, or its own name says so; and said.
    expect(parse(text, { label: ["kind"] }).notes).toEqual(['Samples are named by column "code".']);
    const ranked = parse("id,a,y\n7,0.5,0\n9,1,1\n");
    expect([[...ranked.x], ranked.ids]).toEqual([
      [0.5, 1],
      ["7", "9"],
    ]);
    expect([...parse("id,a,y\n7,0.5,0\n7,1,1\n").x]).toEqual([7, 0.5, 7, 1]);
  });

  it("predicts fractions, and several columns, and asks where whole numbers may be either", () => {
    const several = parse("1,0.5,2\n2,-1.5,3\n", { label: ["1", "2"] });
    expect([several.task, [...several.targets], several.classes]).toEqual(["regression", [0.5, 2, -1.5, 3], 2]);
    expect(parse("1,0.5\n2,3\n").task).toBe("regression");
    const many = Array.from({ length: 20 }, (_, i) => `${i},${7 * i}`).join("\n");
    expect(() => parse(many)).toThrow(
      new UsageError(
        "f: 20 different whole numbers for 20 samples: say task classification, or task regression where they are to be predicted",
      ),
    );
    expect(parse(many, { task: "classification" }).classes).toBe(134);
    expect(() => parse("1,a\n2,b\n", { task: "regression" })).toThrow(
      'f: a number to predict must be a number, got "a" in line 1',
    );
  });

  it("reads the last column as a target if told so", () => {
    const data = parse("1,2\n2,-1\n", { task: "regression" });
    expect([...data.targets]).toEqual([2, -1]);
  });

  it("reads a fraction in the last column as a target", () => {
    const data = parse("1,0.5\n2,-1.5\n");
    expect([data.task, [...data.targets], [...data.labels], data.classes]).toEqual(["regression", [0.5, -1.5], [], 1]);
  });

  const faults: readonly (readonly [string, string])[] = [
    ["", "f: a CSV file must hold at least one line, got none"],
    ["a,b\n", "f: a data set must hold at least one sample, got only a header"],
    ["1,2,0\n1,1\n", "f: line 2 must have 3 columns like the first, got 2"],
    [
      "1,2,0\n\n1,x,1\n",
      'f: line 3 must hold finite numbers, got "x" in column 1; where it is no feature, say so by id, label or ignore',
    ],
    ["1,2,0\n1,,1\n", 'f: line 2 must hold finite numbers, got ""'],
    ["nan,2,0\n1,2,1\n", 'f: line 1 must hold finite numbers, got "nan"'],
    ["1,2,0\n1,Infinity,1\n", 'f: line 2 must hold finite numbers, got "Infinity"'],
    [
      "1,2,0\n1,0x10,1\n",
      'f: line 2 must hold finite numbers, got "0x10" in column 1; where it is no feature, say so by id, label or ignore',
    ],
    ["1,2,0\n1,1e99,1\n", "f: inputs must be finite, got Infinity in row 1"],
    [
      "1,x2,0\n1,2,1\n",
      'f: line 1 must hold finite numbers, got "x2" in column 1; where it is no feature, say so by id, label or ignore',
    ],
    ["1\n2\n", "f: line 1 must have features and a label, got 1 column"],
    ["1,2\n1,nan\n", 'f: line 2 must have an answer, got "nan"'],
    ["1,2\n1,\n", 'f: line 2 must have an answer, got ""'],
    ["a,b\n1,2,0\n", "f: the header must name every column, got 2 names for 3 columns"],
    [
      "1,0\n1,-1\n",
      "f: labels must be whole numbers 0..65535, got -1 in line 2; name the classes, or say task regression where it is to be predicted",
    ],
    [
      "1,0\n1,70000\n",
      "f: labels must be whole numbers 0..65535, got 70000 in line 2; name the classes, or say task regression where it is to be predicted",
    ],
    ['1,0\n"1,1\n', "f: line 2 must have 2 columns like the first, got 1"],
  ];
  it.each(faults)("refuses %j", (text, message) => {
    expect(() => parse(text)).toThrow(new ReadError(message));
  });

  it("refuses bytes that are no UTF-8", () => {
    expect(() => parseCsv("f", Uint8Array.of(0x31, 0xff, 0xfe))).toThrow("f: a CSV file must be UTF-8 text");
  });

  it("finds every truncation of a file with counts, from its second name of a class to its last cell", () => {
    const text = `2,2,a,b\n${plain}`;
    for (let n = 6; n < text.length - 2; n++) expect(() => parse(text.slice(0, n))).toThrow(ReadError);
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

  it("takes numbers from 0 on for names where a word among them is no label", () => {
    const { count, classNames } = parse("0,1,2,species\n5,3,1,a\n6,2,2,b\n");
    expect([count, classNames]).toEqual([2, ["a", "b"]]);
    // A sample, since others are called so too.
    const sample = parse("0,1,2,a\n5,3,1,a\n6,2,2,b\n");
    expect(sample.count).toBe(3);
  });
});
