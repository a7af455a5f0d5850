/** @file Tests of check.ts: what a worker takes from a queue, and what it does not. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ticket } from "../../test/tickets.ts";
import { attackNames, attackOf } from "../attack/protocol.ts";
import { defaultsFor } from "../experiment/spec.ts";
import { methodNames } from "../train/methods.ts";
import { checkMail, checkPlaces } from "./check.ts";
import { idOf, type Job } from "./job.ts";

const sha256 = "a".repeat(64);
const model = { sha256, words: { scale: "1,2", layout: "nhwc", shape: "x=1,3;y=2", fix: "y=0.5" } };
const data = { name: "digits", reading: {}, seed: 1, sha256, from: 0, to: 10 };

const jobs: readonly Job[] = [
  ...methodNames.map((name): Job => ({ kind: "run", spec: defaultsFor(name), data: { train: sha256, test: sha256 } })),
  { kind: "certify", model, data, norm: "inf", radii: [0.1], work: null, parts: 0, seconds: 3 },
  { kind: "attack", model, data, norm: 2, radii: [0.1], attacks: attackNames.map(attackOf), clip: "data", seed: 1 },
  {
    kind: "bound",
    model,
    norm: 1,
    methods: ["autolip"],
    domain: { kind: "box", low: [0], high: [1] },
    seed: 1,
    check: true,
  },
  {
    kind: "bound",
    model,
    norm: 2,
    domain: { kind: "ball", center: [0], radius: 1, norm: "inf" },
    seed: 1,
    check: false,
  },
];
const mailOf = (job: unknown) => ({ id: idOf(job as Job), job, label: "x" });

describe("what a queue carries", () => {
  it.each(jobs.map((job) => [job.kind, job] as const))("may be every kind of job: %s", (_, job) => {
    const mail = JSON.parse(JSON.stringify(mailOf(job)));
    expect(checkMail(mail)).toEqual(mail);
  });

  const [run] = jobs;
  const certify = jobs[methodNames.length];
  it.each([
    [{ ...mailOf(run), file: "/etc/passwd" }, /\$\.file: must be left out/],
    [{ ...mailOf(run), start: "../other" }, /\$\.start: must be the name of a job/],
    [mailOf({ ...run, code: "process.exit()" }), /\$\.job\.code: must be left out/],
    [
      mailOf({ ...run, spec: { ...(run as { spec: object }).spec, epochs: 0 } }),
      /\$\.job\.spec\.epochs: must be a whole number >= 1/,
    ],
    [mailOf({ ...run, kind: "shell" }), /\$\.job\.kind: must be one of run, certify/],
    [mailOf({ ...certify, model: { sha256: "../../x", words: {} } }), /\$\.job\.model\.sha256: must be a sha256/],
    [
      mailOf({ ...certify, model: { sha256, words: { fix: "x=/etc/secret.npy" } } }),
      /\$\.job\.model\.words\.fix: must be words without a path/,
    ],
    [
      mailOf({ ...certify, data: { ...data, reading: { labels: 3 } } }),
      /\$\.job\.data\.reading\.labels: is not as it may be/,
    ],
    [{ ...mailOf(run), id: `run-${"0".repeat(32)}` }, /its name must be that of its content in this version/],
    [null, /\$: must be an object/],
  ])("is refused: %j", (value, message) => {
    expect(() => checkMail(value)).toThrow(message);
  });
});

describe("the files that a job asks for", () => {
  const folder = mkdtempSync(join(tmpdir(), "lipschitz-places-"));
  const inside = join(folder, "data");
  mkdirSync(inside);
  for (const file of ["data/own.csv", "secret.csv"]) writeFileSync(join(folder, file), "");
  symlinkSync(join(folder, "secret.csv"), join(inside, "link.csv"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const asking = (name: string, labels?: string): Job => ({
    kind: "certify",
    model,
    data: { ...data, name, reading: labels === undefined ? {} : { labels } },
    norm: 2,
    radii: [],
    work: null,
    parts: 0,
  });

  it("lie in the data folder, or are data sets by name", async () => {
    await checkPlaces(asking("digits"), undefined);
    await checkPlaces(asking("own.csv", "./own.csv"), inside);
    await checkPlaces(ticket("done").job, undefined);
  });

  it.each([
    ["../secret.csv", undefined],
    [join(folder, "data/own.csv"), undefined],
    ["link.csv", undefined],
    ["nowhere.csv", undefined],
    ["own.csv", "../secret.csv"],
  ])("are refused elsewhere: %s %s", async (name, labels) => {
    await expect(checkPlaces(asking(name, labels), inside)).rejects.toThrow(/a file must lie in --data-dir/);
  });
});
