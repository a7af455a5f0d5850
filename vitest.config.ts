import { fileURLToPath } from "node:url";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { systemChromium } from "./test/chromium.ts";

// Only against what hangs: a machine may be ten times slower than another.
const limits = { testTimeout: 900_000, hookTimeout: 900_000 };
const path = (file: string) => fileURLToPath(new URL(file, import.meta.url));

const chromium = systemChromium();
if (!chromium) {
  console.log(
    "Tests in a browser are skipped: no Chromium at /usr/bin/chromium or where $CHROMIUM says (apt-get install chromium).",
  );
}

/** What every engine is asked, on onnxruntime-web in a real browser. */
const browser = {
  resolve: {
    alias: [{ find: /^.*\/testEngine\.ts$/, replacement: path("test/testEngine.web.ts") }],
    // Its other builds start threads from the page's own script, which never answers.
    conditions: ["onnxruntime-web-use-extern-wasm", "import", "module", "browser", "default"],
  },
  optimizeDeps: { exclude: ["onnxruntime-web"] },
  test: {
    ...limits,
    name: "browser",
    include: [
      "test/contract/{engine,opEngine,onnxForms}.test.ts",
      "test/long/attack.test.ts",
      "test/browser/*.test.ts",
    ],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: { executablePath: chromium, args: ["--no-sandbox"] } }),
      instances: [{ browser: "chromium" as const }],
    },
  },
};

/** What takes longest begins first, so that no core waits for it at the end; Vitest itself goes by the size of a file. */
const longest = ["docs", "attack", "models", "cli", "boundSides", "evaluate", "lipsdp"];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = longest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return at < 0 ? longest.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    // One for each core of the smallest machine that is reckoned with; Vitest would leave one of two idle.
    maxWorkers: 2,
    projects: [
      // Files share a worker's modules: nothing here keeps state in them, and to load them anew for each would be a quarter of the time.
      {
        test: {
          ...limits,
          name: "node",
          isolate: false,
          include: ["src/**/*.test.ts", "test/{contract,public}/**/*.test.ts"],
        },
      },
      // What starts many processes, trains on images or goes through thousands of random models.
      { test: { ...limits, name: "long", include: ["test/long/*.test.ts"], maxConcurrency: 2 } },
      ...(chromium ? [browser] : []),
    ],
  },
});
