/** @file Elements from plain calls, and HTML of the library's own figures put into the page. */
import type { Html } from "lipschitz/report";

type Child = Node | string | null | readonly Child[];

type Properties = Readonly<Record<string, string | number | boolean | ((event: Event) => void) | undefined>>;

/** An element. Functions become listeners (`onclick`), `true` an empty attribute, `false` and undefined none. Text is text, never HTML. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name.replace(/^on/, ""), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  append(made, children);
  return made;
}

/** Replace what an element holds. */
export function fill(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren();
  append(element, children);
}

/** A figure of the library, which escapes what it is given. */
export function figureOf(html: Html | null): HTMLElement {
  const holder = h("div", { class: "figure" });
  if (html) holder.innerHTML = html.markup;
  return holder;
}

/** A labelled field. */
export const field = (label: string, control: HTMLElement, hint?: string): HTMLElement =>
  h("label", { class: "field" }, h("span", {}, label), control, hint ? h("small", {}, hint) : null);

/** A choice of a few words, each with what it is called; the first is chosen. */
export const choice = (
  name: string,
  ...words: readonly (readonly [value: string, text: string])[]
): HTMLSelectElement =>
  h(
    "select",
    { name },
    words.map(([value, text]) => h("option", { value }, text)),
  );

export const normChoice = (): HTMLSelectElement => choice("norm", ["2", "l2"], ["inf", "l-infinity"], ["1", "l1"]);

/** Save bytes or text as a file of the person's. */
export function download(name: string, content: BlobPart, type = "application/octet-stream"): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// --- internal ---

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null) continue;
    if (typeof child === "string" || child instanceof Node) element.append(child);
    else append(element, child);
  }
}
