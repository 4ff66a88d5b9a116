// The picture of the image that is labelled: in sight, on its way, or why it cannot be shown.
// @ts-check

import { byId } from "./elements.js";

/** @typedef {import("./label_images.js").DraftImage} DraftImage */
/** @typedef {{width: number, height: number}} Size */

export class LabelPicture {
  #slot = byId("picture", HTMLElement);
  #problem = byId("picture-problem", HTMLElement);
  /** @type {number | null} */
  #number = null;

  /**
   * @param {HTMLElement} stage
   * @param {import("./label_images.js").DraftImages} images
   * @param {{loaded: (image: DraftImage) => void, signIn: () => void}} calls `loaded` when the picture in sight has its size; `signIn`
   *   when the session has ended.
   */
  constructor(stage, images, calls) {
    this.stage = stage;
    this.images = images;
    this.calls = calls;
  }

  /** Whether the picture is in sight, or cannot be. */
  get isSeen() {
    const picture = this.#slot.firstElementChild;
    return !(picture instanceof HTMLImageElement) || picture.complete;
  }

  /** @param {DraftImage} image */
  show(image) {
    this.#number = image.number;
    const picture = this.images.picture(image);
    picture.alt = image.fileName;
    if (this.#slot.firstElementChild !== picture) this.#slot.replaceChildren(picture);
    this.stage.classList.toggle("loading", !picture.complete);
    this.#problem.hidden = true;
    picture.onload = () => {
      if (this.#number !== image.number) return;
      this.stage.classList.remove("loading");
      this.calls.loaded(image);
    };
    picture.onerror = () => this.#tellWhy(image);
    if (picture.complete && !picture.naturalWidth) this.#tellWhy(image);
  }

  /**
   * The size in pixels that boxes are counted in: the image's own, if the picture has the same shape.
   * @param {DraftImage} image
   * @returns {Size}
   */
  sizeOf(image) {
    const picture = this.images.picture(image);
    const [width, height] = [picture.naturalWidth || image.width || 4, picture.naturalHeight || image.height || 3];
    const alike = image.width && image.height && Math.abs((image.width / image.height) * (height / width) - 1) < 0.03;
    return alike ? { width: image.width ?? width, height: image.height ?? height } : { width, height };
  }

  /** @param {DraftImage} image */
  async #tellWhy(image) {
    const response = await fetch(image.view, { headers: { Accept: "application/json" } }).catch(() => null);
    if (this.#number !== image.number) return;
    if (response?.status === 401) this.calls.signIn();
    const body = response?.ok ? null : await response?.json().catch(() => null);
    this.#problem.textContent = `This picture cannot be shown. ${body?.error?.message ?? "Go to another image and come back to try again."}`;
    this.#problem.hidden = false;
    this.stage.classList.remove("loading");
  }
}
