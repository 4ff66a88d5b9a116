// The colour of a tag's boxes: the same as the pages that the engine makes, by CRC-32 of the name.
// @ts-check

const TONES = 8;

/** @type {Map<string, number>} */
const known = new Map();

/** @param {string} tag */
export function toneOf(tag) {
  let tone = known.get(tag);
  if (tone === undefined) {
    tone = crc32(new TextEncoder().encode(tag)) % TONES;
    known.set(tag, tone);
  }
  return tone;
}

/** @param {Uint8Array} bytes */
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
