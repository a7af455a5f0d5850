import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork } from "../../test/functions.ts";
import { nodeEngine } from "../engine/node.ts";
import type { Node } from "../graph/graph.ts";
import { relu, tanh } from "../ops/pointwise.ts";
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

  it("ends where time has none, and does so in the same numbers", async () => {
    for (const norm of [1, "inf"] as const) {
      const network = randomNetwork(random(7), "dense");
      const ask = () =>
        lipschitz(network, { engine, norm, seconds: Number.POSITIVE_INFINITY, methods: ["lipsdp", "recurjac"] });
      const [once, again] = [await ask(), await ask()];
      expect(once.bounds.map(({ status }) => status)).toEqual(["done", "done"]);
      expect(again.bounds.map(({ value }) => value)).toEqual(once.bounds.map(({ value }) => value));
    }
  });

  it("gives the bounds in the order of the table, whatever was asked first", async () => {
    const { bounds } = await lipschitz(randomNetwork(random(5), "dense"), { engine });
    const order = ["autolip", "eclipse-fast", "lipsdp", "jacobian", "pairs"];
    expect(bounds.map(({ method }) => method).filter((m) => m !== "branch")).toEqual(order);
  });

  it("closes the bracket of a few neurons with kinks without being asked, and knows more than norms in l1 and l-inf", async () => {
    const draw = (n: number, m: number, seed: number) => {
      const r = random(seed);
      return Array.from({ length: n }, () => Array.from({ length: m }, () => r.normal()));
    };
    const layer = (x: Node, n: number, m: number) => affine(x, draw(n, m, m), draw(1, n, n)[0]);
    const net = (act: (x: Node) => Node) => functionOf([3], (x) => layer(act(layer(act(layer(x, 6, 3)), 5, 6)), 2, 5));
    const methodsOf = ({ bounds }: Bracket) => bounds.map(({ method }) => method);
    for (const norm of [1, 2, "inf"] as const) {
      const bracket = await lipschitz(net(relu), { engine, norm });
      expect(bracket.upper?.value).toBeLessThan(1.01 * (bracket.lower?.value as number));
      expect(bracket.lower?.value).toBeLessThanOrEqual(bracket.upper?.value as number);
      // Nothing to cut.
      const smooth = await lipschitz(net(tanh), { engine, norm });
      expect(methodsOf(smooth)).not.toContain("branch");
      expect(methodsOf(smooth).includes("recurjac")).toBe(norm !== 2);
      expect(methodsOf(smooth)).toContain("lipsdp");
    }
  });
});
