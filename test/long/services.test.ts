/** @file The files for services and clusters in examples/cluster: what they start, started; and what their own programs say of them, where those are here. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { freePort, hasRedis, startRedis } from "../redis.ts";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const examples = new URL("../../examples/cluster/", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-services-"));
const read = (file: string) => readFileSync(join(examples, file), "utf8");
const has = (command: string, ...words: string[]) => spawnSync(command, words).status === 0;

const spec = {
  data: "two-moons",
  model: { kind: "mlp", widths: [2] },
  method: { name: "plain" },
  epochs: 1,
  seconds: 1e-9,
  batch: 16,
  radii: [0.1],
  samples: { train: 64, test: 4 },
};
writeFileSync(join(folder, "spec.json"), JSON.stringify(spec));

const run = (env: Readonly<Record<string, string>>, ...words: string[]) => {
  const all = spawnSync(process.execPath, [program, ...words], {
    encoding: "utf8",
    cwd: folder,
    env: { ...process.env, ...env },
  });
  return { ...all, stderr: all.stderr.replace(/^\[ *\d+ s\] .*\n/gm, "") };
};

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!hasRedis())("the queue of compose.yaml with the worker of the systemd unit", () => {
  it("carries a sweep out to the record of a pool, asks for the password, and stops when it is told", async () => {
    // The words after the program's name, as the file has them.
    const [, words] = /exec valkey-server (.*) --requirepass/.exec(read("compose.yaml")) ?? [];
    const [, start] = /^ExecStart=\/usr\/bin\/env lipschitz (.*)$/m.exec(read("lipschitz-worker.service")) ?? [];
    const env = { REDIS_PASSWORD: "a secret" };
    const redis = await startRedis(...words.split(" "), "--requirepass", env.REDIS_PASSWORD);
    let worker: ChildProcess | undefined;
    try {
      expect(run({}, "status", redis.url).stderr).toMatch(/cannot be reached: .*(NOAUTH|Authentication)/);
      const own = start.replace(/rediss:\/\/\S+/, redis.url).replace("/srv/lipschitz", folder);
      worker = spawn(process.execPath, [program, ...own.split(" ")], {
        stdio: "ignore",
        env: { ...process.env, ...env },
      });
      const swept = run(env, "sweep", "spec.json", "--redis", redis.url, "--out", "away", "--quiet");
      expect([swept.status, swept.stderr]).toEqual([0, ""]);
      const status = run(env, "status", redis.url, "--json");
      expect(JSON.parse(status.stdout)).toMatchObject({ waiting: 0, active: 0, workers: [{ busy: 0 }] });
      const ended = new Promise((resolve) => worker?.once("exit", resolve));
      worker.kill("SIGTERM");
      expect(await ended).toBe(0);
    } finally {
      worker?.kill("SIGKILL");
      await redis.stop();
    }
    expect(run({}, "sweep", "spec.json", "--out", "here", "--quiet").status).toBe(0);
    const record = (out: string) => {
      const [file] = readdirSync(join(folder, out, "jobs"));
      const { files, ...rest } = JSON.parse(readFileSync(join(folder, out, "jobs", file), "utf8"));
      // Checkpoints stay where they were made.
      const sent = files.filter((name: string) => !/^(checkpoint|weights)/.test(name));
      return JSON.stringify({ ...rest, sent }, (key, value) => (key === "seconds" ? undefined : value));
    };
    expect(record("away")).toBe(record("here"));
    const model = (out: string) => readFileSync(join(folder, out, "plain", "seed-1", "model.onnx"));
    expect(model("away").equals(model("here"))).toBe(true);
  });

  it("is reached by TLS, with an authority of one's own", async () => {
    const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
    const made = [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=DNS:localhost",
    ];
    expect(spawnSync("openssl", [...made, "-keyout", key, "-out", certificate]).status).toBe(0);
    const port = await freePort();
    const tls = [
      "--tls-port",
      String(port),
      "--tls-cert-file",
      certificate,
      "--tls-key-file",
      key,
      "--tls-auth-clients",
      "no",
    ];
    const redis = await startRedis(...tls);
    try {
      const url = `rediss://localhost:${port}`;
      expect(run({}, "status", url).stderr).toMatch(/cannot be reached: .*self-signed certificate/);
      const trusted = run({ NODE_EXTRA_CA_CERTS: certificate }, "status", url, "--json");
      expect(JSON.parse(trusted.stdout)).toMatchObject({ waiting: 0, active: 0, workers: [] });
    } finally {
      await redis.stop();
    }
  });
});

describe("what their programs say of the files", () => {
  it("systemd takes the unit", () => {
    const unit = read("lipschitz-worker.service");
    expect(unit.match(/^\[\w+\]$/gm)).toEqual(["[Unit]", "[Service]", "[Install]"]);
    // Where systemd is, it says more.
    if (!has("systemd-analyze", "--version")) return;
    const words = ["verify", join(examples, "lipschitz-worker.service")];
    const { status, stderr } = spawnSync("systemd-analyze", words, { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });

  it("kubectl and compose read their files", () => {
    expect(read("kubernetes.yaml")).toContain("completionMode: Indexed");
    expect(read("compose.yaml")).toMatch(/^services:\n {2}redis:/m);
    if (has("docker", "compose", "version")) {
      mkdirSync(join(folder, "secrets"));
      writeFileSync(join(folder, "secrets", "redis.env"), "REDIS_PASSWORD=x\n");
      writeFileSync(join(folder, "compose.yaml"), read("compose.yaml"));
      const { status, stderr } = spawnSync("docker", ["compose", "config", "--quiet"], {
        encoding: "utf8",
        cwd: folder,
      });
      expect([status, stderr]).toEqual([0, ""]);
    }
  });

  it("the same version everywhere", () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    for (const file of ["compose.yaml", "kubernetes.yaml", "Dockerfile"]) {
      const found = [...read(file).matchAll(/lipschitz[:@](\d[\w.]*)/g)].map(([, own]) => own);
      expect(new Set(found), file).toEqual(new Set([version]));
    }
  });
});
