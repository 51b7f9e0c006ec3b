/** A 53-bit hash to tell texts apart. It is not cryptographic. */

// Two lanes of FNV-1a over UTF-16, of which 53 bits fit a number.
export const make = (text: string): number => {
  let one = 0x811c9dc5
  let other = 0x050c5d1f
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    one = Math.imul(one ^ code, 0x01000193)
    other = Math.imul(other ^ code ^ (index & 0xff), 0x85ebca6b)
    other ^= other >>> 13
  }
  // Zero means absent.
  return ((one >>> 0) * 0x200000 + (other >>> 11)) % (2 ** 53 - 1) || 1
}
