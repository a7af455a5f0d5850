/** @file What a part of the page is given. */
import type { Client } from "./client.ts";
import type { State } from "./state.ts";

export interface Page {
  readonly client: Client;
  readonly state: State;
  /** One line for everybody, read out to who cannot see it. */
  say(text: string): void;
}

export type View = (page: Page) => HTMLElement;
