/** @file How the worker starts where a host serves its script. In the page that is one file, `worker.file.ts` stands here. */

export const startWorker = (): Worker =>
  new Worker(new URL("../worker.ts", import.meta.url), { type: "module", name: "lipschitz" });
