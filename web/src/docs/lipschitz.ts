/** @file `lipschitz` for the programs of the pages: the library, with paths of models as files of the site. */
import { type Network, type ReadOptions, readOnnx as read } from "lipschitz";

export * from "lipschitz";

/** Beside the scripts of the site. */
const files = new URL("../files/", import.meta.url.toString());

export const readOnnx = (source: string | URL | Uint8Array, options?: ReadOptions): Promise<Network> =>
  read(typeof source === "string" ? new URL(source, files) : source, options);
