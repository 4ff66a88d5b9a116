// Takes pictures with the camera: the phone's own, or this computer's in a dialog.
// @ts-check

import { byId, element } from "./elements.js";

const QUALITY = 0.92;

/** @type {Record<string, string>} */
const WHY = {
  NotAllowedError: "The browser may not use the camera. Allow it for this page in the browser's settings, and open the camera again.",
  NotFoundError: "No camera was found. Connect one, or choose a file instead.",
  NotReadableError: "The camera is in use by another program. Close it, and open the camera again.",
  OverconstrainedError: "This camera is gone. Choose another.",
};

export class Camera {
  /** @param {(picture: Blob, name: string) => void} taken */
  constructor(taken) {
    this.taken = taken;
    this.dialog = byId("camera", HTMLDialogElement);
    this.video = byId("video", HTMLVideoElement);
    this.problem = byId("camera-problem", HTMLElement);
    this.snap = byId("snap", HTMLButtonElement);
    this.device = byId("camera-device", HTMLSelectElement);
    /** @type {MediaStream | null} */
    this.stream = null;
    this.snap.addEventListener("click", () => this.take());
    this.device.addEventListener("change", () => this.start(this.device.value));
    this.dialog.addEventListener("close", () => this.stop());
  }

  /** Show what the camera sees. A phone opens its own camera instead, by the file field of this id. @param {string} fieldId */
  async open(fieldId) {
    if (matchMedia("(pointer: coarse)").matches) {
      byId(fieldId, HTMLInputElement).click();
      return;
    }
    this.dialog.showModal();
    await this.start();
  }

  /** @param {string} [deviceId] */
  async start(deviceId) {
    this.stop();
    this.complain("");
    this.snap.disabled = true;
    if (!navigator.mediaDevices?.getUserMedia) {
      this.complain(
        isSecureContext
          ? "This browser has no access to cameras. Choose a file instead."
          : "Browsers give access to the camera only over https, and on the engine's own machine. Open the Studio there, or choose a file instead.",
      );
      return;
    }
    try {
      const wanted = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "environment" };
      const stream = await navigator.mediaDevices.getUserMedia({ video: { ...wanted, width: { ideal: 1920 }, height: { ideal: 1440 } } });
      if (!this.dialog.open) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.stream = stream;
      this.video.srcObject = stream;
      await this.video.play();
      this.snap.disabled = false;
      this.snap.focus();
      await this.list();
    } catch (error) {
      const name = error instanceof Error ? error.name : "";
      if (name !== "AbortError") this.complain(WHY[name] ?? `The camera could not be opened: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** The other cameras, if there are any; their names are known only now. */
  async list() {
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    const current = this.stream?.getVideoTracks()[0]?.getSettings().deviceId;
    const options = cameras.map(({ deviceId, label }, index) => element("option", { value: deviceId, selected: deviceId === current }, label || `Camera ${index + 1}`));
    this.device.replaceChildren(...options);
    this.device.hidden = cameras.length < 2;
  }

  async take() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width) return;
    const canvas = element("canvas", { width, height });
    canvas.getContext("2d")?.drawImage(this.video, 0, 0);
    const picture = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    this.dialog.close();
    if (picture) this.taken(picture, `Camera ${new Date().toLocaleTimeString("en-GB")}`);
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }

  /** @param {string} text */
  complain(text) {
    this.problem.textContent = text;
    this.problem.hidden = !text;
    this.video.hidden = Boolean(text);
  }
}
