/** @file The worker of the page that is one file: its script is a part of the page's, since a page from the disk may start no worker from another file. */
import InlineWorker from "../worker.ts?worker&inline";

export const startWorker = (): Worker => new InlineWorker({ name: "lipschitz" });
