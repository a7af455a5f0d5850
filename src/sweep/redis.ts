/** @file Redis or Valkey as a mailbox: what goes between a sweep and its workers. BullMQ and ioredis load when a queue is asked for, and nothing else needs them. */
import { hostname } from "node:os";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Redis, RedisOptions } from "ioredis";
import { tool } from "../experiment/tool.ts";
import { UsageError } from "../tensor/errors.ts";
import { checkKey, type Store } from "./store.ts";

/** Everything of ours stands under this. */
export const prefix = "lipschitz";

/** The queue of this version: a worker of another one takes other jobs. */
export const queueName = `jobs-${tool.version}`;

/** A mailbox is emptied: nothing stays longer than a day after it was put there. */
const lifetime = 86_400;

/** Milliseconds between two tries to come back, at most. */
export const longestRetry = 1000;

/** The packages of the queue. */
export async function packages(): Promise<{ readonly bullmq: typeof import("bullmq"); readonly Redis: typeof Redis }> {
  try {
    const [bullmq, ioredis] = await Promise.all([import("bullmq"), import("ioredis")]);
    return { bullmq, Redis: ioredis.Redis };
  } catch (cause) {
    if ((cause as { readonly code?: string }).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new UsageError(
      "--redis: the packages bullmq and ioredis are not installed; install them: npm install bullmq ioredis",
      { cause },
    );
  }
}

/** A URL without its password, for people. */
export const shownUrl = (url: string): string => url.replace(/\/\/([^@/]*)@/, "//***@");

/**
 * Connect to redis://[user:password@]host:port[/db], or rediss:// for TLS (certificates as Node checks them: NODE_EXTRA_CA_CERTS for one's own authority). A password
 * that is not in the URL is taken from $REDIS_PASSWORD, so that no list of processes shows it. UsageError where the first try fails; a connection that is lost
 * later comes back by itself, and what was asked meanwhile waits, until the signal: from then on nothing is tried again.
 */
export async function connect(url: string, signal?: AbortSignal): Promise<Redis> {
  const { Redis } = await packages();
  const { protocol, password } = urlOf(url);
  const options: RedisOptions = {
    // As BullMQ wants it: a command waits for the connection as long as it takes.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => (signal?.aborted ? null : Math.min(longestRetry, 50 * times)),
    connectionName: "lipschitz",
    ...(protocol === "rediss:" && { tls: {} }),
    ...(password === "" && process.env.REDIS_PASSWORD !== undefined && { password: process.env.REDIS_PASSWORD }),
  };
  const probe = new Redis(url, { ...options, lazyConnect: true, retryStrategy: () => null, connectTimeout: 5000 });
  let why = "";
  probe.on("error", (error) => {
    why = error.message;
  });
  try {
    await probe.connect();
    await probe.ping();
  } catch (error) {
    throw new UsageError(`--redis ${shownUrl(url)}: cannot be reached: ${why || (error as Error).message}`);
  } finally {
    probe.disconnect();
  }
  const redis = new Redis(url, options);
  // It comes back by itself.
  redis.on("error", () => undefined);
  return redis;
}

/** A store in Redis. Bytes are compressed; keys live for a day. */
export function redisStore(redis: Redis): Store {
  const at = (key: string) => `${prefix}:store:${checkKey(key)}`;
  const packed = (bytes: Uint8Array | string) => gzipSync(bytes, { level: 1 });
  return {
    async get(key) {
      const bytes = await redis.getBuffer(at(key));
      return bytes && gunzipSync(bytes);
    },
    put: async (key, bytes) => void (await redis.set(at(key), packed(bytes), "EX", lifetime)),
    claim: async (key, bytes) => (await redis.set(at(key), packed(bytes), "EX", lifetime, "NX")) === "OK",
    has: async (key) => (await redis.exists(at(key))) === 1,
    remove: async (key) => void (await redis.del(at(key))),
    async list(folder) {
      const found: string[] = [];
      const start = `${prefix}:store:`;
      for await (const keys of redis.scanStream({ match: `${start}${checkKey(folder)}/*`, count: 1000 })) {
        found.push(...(keys as string[]).map((key) => key.slice(start.length)));
      }
      return found;
    },
  };
}

/** What a worker says of itself while it is there. */
export interface Presence {
  readonly name: string;
  readonly version: string;
  readonly workers: number;
  /** Jobs it is at. */
  readonly busy: number;
}

/** Say every few seconds that a worker is there, until it is told to stop. */
export function present(
  redis: Redis,
  about: () => Omit<Presence, "name" | "version">,
): { readonly name: string; stop(): Promise<void> } {
  const name = `${hostname()}-${process.pid}`;
  const key = `${prefix}:workers:${name}`;
  const say = () => {
    redis
      .set(key, JSON.stringify({ name, version: tool.version, ...about() } satisfies Presence), "EX", 10)
      .catch(() => undefined);
  };
  say();
  const timer = setInterval(say, 3000);
  return {
    name,
    async stop() {
      clearInterval(timer);
      await redis.del(key);
    },
  };
}

/** The workers that are there, of any version. */
export async function presences(redis: Redis): Promise<readonly Presence[]> {
  const found: Presence[] = [];
  for await (const keys of redis.scanStream({ match: `${prefix}:workers:*`, count: 1000 })) {
    for (const key of keys as string[]) {
      const text = await redis.get(key);
      if (text !== null) found.push(JSON.parse(text) as Presence);
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Wait for an answer, but not for ever: what is asked of a server that is gone waits until it comes back. */
export async function within(milliseconds: number, asked: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([asked.catch(() => undefined), late]);
  clearTimeout(timer);
}

// --- internal ---

function urlOf(url: string): URL {
  const found = URL.canParse(url) ? new URL(url) : null;
  if (found && ["redis:", "rediss:"].includes(found.protocol) && found.hostname !== "") return found;
  throw new UsageError(`--redis: must be redis://host:port, or rediss:// for TLS, got "${shownUrl(url)}"`);
}
