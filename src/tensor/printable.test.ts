import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { printable, printableJson, printableLines } from "./printable.ts";

/** Text with more control characters than letters. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.integer({ min: 0, max: 0x2fff }).map((c) => String.fromCodePoint(c)),
    ),
  )
  .map((parts) => parts.join(""));

describe("printable()", () => {
  it("shows what a terminal would obey or what turns text around", () => {
    expect(printable("\u001b[2Ja\u0007\u009b31m\r\nb\u202ec\ud800")).toBe(
      "\\u{1b}[2Ja\\u{7}\\u{9b}31m\\r\\nb\\u{202e}c\\u{d800}",
    );
    expect(printable("Größe/名 [3,4] \u{1f600}")).toBe("Größe/名 [3,4] \u{1f600}");
  });

  it("leaves no control character of any text, and lines only between lines", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
        expect(printableLines(text).split("\n")).toHaveLength(text.split("\n").length);
      }),
    );
  });

  it("keeps the meaning of JSON", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const json = printableJson(JSON.stringify({ [text]: text }, null, 2));
        expect(json.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
        expect(JSON.parse(json)).toEqual({ [text]: text });
      }),
    );
  });
});
