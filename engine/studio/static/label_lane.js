// A stretch of an ordered list of numbers, as far as it is known: pure functions. So images are walked through without loading all.
// @ts-check

/** @typedef {{numbers: number[], low: number, high: number | null}} Lane
 * Every number of the list between `low` and `high`, both without, is in `numbers`. `high` is null once the end is known. */

/**
 * A lane that knows this number alone.
 * @param {number} number
 * @param {boolean} belongs Whether the list has it.
 * @returns {Lane}
 */
export function laneAt(number, belongs) {
  return { numbers: belongs ? [number] : [], low: number - 1, high: number + 1 };
}

/**
 * The next number after another: null if it is the last, undefined if that is not known.
 * @param {Lane} lane
 * @param {number} number
 * @returns {number | null | undefined}
 */
export function nextIn(lane, number) {
  if (number < lane.low || (lane.high !== null && number >= lane.high)) return undefined;
  const found = lane.numbers.find((other) => other > number);
  return found ?? (lane.high === null ? null : undefined);
}

/**
 * The number before another: null if it is the first, undefined if that is not known.
 * @param {Lane} lane
 * @param {number} number
 * @returns {number | null | undefined}
 */
export function previousIn(lane, number) {
  if (number <= lane.low || (lane.high !== null && number > lane.high)) return undefined;
  const found = lane.numbers.filter((other) => other < number).at(-1);
  return found ?? (lane.low < 0 ? null : undefined);
}

/**
 * The lane with the numbers that follow it, of which `asked` were asked for: fewer mean that it ends there.
 * @param {Lane} lane
 * @param {number[]} numbers Rising.
 * @param {number} asked
 * @returns {Lane}
 */
export function extended(lane, numbers, asked) {
  const last = numbers.at(-1);
  return { ...lane, numbers: merged(lane.numbers, numbers), high: numbers.length < asked || last === undefined ? null : last + 1 };
}

/**
 * The lane with the numbers before it, of which `asked` were asked for.
 * @param {Lane} lane
 * @param {number[]} numbers Falling.
 * @param {number} asked
 * @returns {Lane}
 */
export function preceded(lane, numbers, asked) {
  const first = numbers.at(-1);
  return { ...lane, numbers: merged(lane.numbers, numbers), low: numbers.length < asked || first === undefined ? -1 : first - 1 };
}

/**
 * The lane with a number that belongs to it now, if it is in its stretch.
 * @param {Lane} lane
 * @param {number} number
 * @returns {Lane}
 */
export function including(lane, number) {
  const reaches = number > lane.low && (lane.high === null || number < lane.high);
  return reaches ? { ...lane, numbers: merged(lane.numbers, [number]) } : lane;
}

/**
 * The lane without numbers that do not belong to it any more.
 * @param {Lane} lane
 * @param {number[]} numbers
 * @returns {Lane}
 */
export function excluding(lane, numbers) {
  return { ...lane, numbers: lane.numbers.filter((other) => !numbers.includes(other)) };
}

/**
 * How many numbers after another are known.
 * @param {Lane} lane
 * @param {number} number
 */
export function knownAfter(lane, number) {
  return lane.numbers.filter((other) => other > number).length;
}

/**
 * @param {number[]} one
 * @param {number[]} other
 */
function merged(one, other) {
  return [...new Set([...one, ...other])].sort((a, b) => a - b);
}
