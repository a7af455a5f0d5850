/** @file The Chromium of the system, for tests in a browser: Playwright's own is not downloaded. */
import { existsSync } from "node:fs";

const places = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"];

/** Its path, or undefined where there is none. */
export const systemChromium = (): string | undefined => places.find((path) => path && existsSync(path));
