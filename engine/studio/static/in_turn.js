// Runs tasks in their order, a few at once.
// @ts-check

export class InTurn {
  /** @param {number} most how many run at once */
  constructor(most) {
    this.most = most;
    this.running = 0;
    /** @type {(() => void)[]} */
    this.waiting = [];
  }

  /**
   * Run a task when it is its turn.
   * @template T
   * @param {() => Promise<T>} task
   * @returns {Promise<T>}
   */
  async run(task) {
    if (this.running >= this.most) await new Promise((resolve) => this.waiting.push(() => resolve(undefined)));
    else this.running += 1;
    try {
      return await task();
    } finally {
      // The turn is handed on, so that nobody who comes in between takes it.
      const next = this.waiting.shift();
      if (next) next();
      else this.running -= 1;
    }
  }
}
