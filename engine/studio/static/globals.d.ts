// Types of the globals that scripts from `vendor` define, as far as the Studio uses them. Nothing loads this file.

/** One request of htmx 4, as its events have it in `event.detail.ctx`. */
interface HtmxContext {
  sourceElement: Element;
  target: Element | null;
  text?: string;
  request: { action: string; method: string };
  response?: { status: number; headers: Headers; raw: Response };
}

/** One piece of a response, and where it is about to go. */
interface HtmxTask {
  type: "main" | "oob" | "partial";
  fragment: DocumentFragment;
}

interface HtmxDetail {
  ctx: HtmxContext;
  tasks: HtmxTask[];
}

/** An extension: hooks by the name of the event, with `_` for `:`. One that returns false cancels what was to happen. */
type HtmxExtension = Record<string, (element: Element, detail: HtmxDetail) => boolean | void>;

declare const htmx: {
  config: { prefix: string };
  /** Wire up what was inserted by other means than htmx. */
  process(root: Element, force?: boolean): void;
  /** False if the name is registered already, or is not in the configuration's `extensions`. */
  registerExtension(name: string, extension: HtmxExtension): false | void;
  trigger(target: Element | string, event: string, detail?: object): boolean;
};
