import { describe, expect, it } from "vitest";
import { randomNetwork } from "../../test/functions.ts";
import { nodeEngine } from "../engine/node.ts";
import { random } from "../tensor/random.ts";
import type { Bracket } from "./bound.ts";
import { lipschitz } from "./index.ts";

const engine = nodeEngine({ threads: 1 });

describe("lipschitz()", () => {
  it("announces brackets that hold and that narrow down to the result", async () => {
    for (const kind of ["dense", "image"] as const) {
      const seen: Bracket[] = [];
      const network = randomNetwork(random(3), kind);
      const result = await lipschitz(network, { engine, onBracket: (bracket) => seen.push(bracket) });
      expect(seen.length).toBeGreaterThan(2);
      const uppers = seen.map(({ upper }) => upper?.value ?? Number.POSITIVE_INFINITY);
      const lowers = seen.map(({ lower }) => lower?.value ?? 0);
      expect(uppers).toEqual([...uppers].sort((a, b) => b - a));
      expect(lowers).toEqual([...lowers].sort((a, b) => a - b));
      for (const { upper } of seen) expect(upper?.proved).toBe(true);
      // The first is there before the methods have ended, both sides before the upper bounds have.
      expect(seen[0].bounds.map(({ status }) => status)).toEqual(["stopped"]);
      expect(seen.find(({ lower }) => lower)?.bounds.map(({ method }) => method)).not.toContain("lipsdp");
      const last = seen[seen.length - 1];
      expect(last.upper?.value).toBe(result.upper?.value);
      expect(last.lower?.value).toBe(result.lower?.value);
    }
  });

  it("has told what it knew when it is aborted", async () => {
    const controller = new AbortController();
    const seen: Bracket[] = [];
    const asked = lipschitz(randomNetwork(random(3), "dense"), {
      engine,
      signal: controller.signal,
      onBracket(bracket) {
        seen.push(bracket);
        controller.abort(new Error("enough"));
      },
    });
    await expect(asked).rejects.toThrow("enough");
    expect(seen[0].upper?.value).toBeGreaterThan(0);
  });

  it("gives the bounds in the order of the table, whatever was asked first", async () => {
    const { bounds } = await lipschitz(randomNetwork(random(5), "dense"), { engine });
    const order = ["autolip", "eclipse-fast", "lipsdp", "branch", "branch", "jacobian", "pairs"];
    expect(bounds.map(({ method }) => method)).toEqual(order);
  });
});
