/** Collects the bytes of a body. */

/** Why a body is incomplete or unreadable. */
export interface Problem {
  readonly description: string
  readonly cause?: unknown
  readonly isTooLarge?: boolean
}

const empty = new Uint8Array()

/** A growing buffer. As chunks, a body of single bytes would take a hundred times its length. */
export class BodyBuffer {
  readonly #maximum: number
  #buffer: Uint8Array = empty
  #length = 0

  constructor(maximum: number) {
    this.#maximum = maximum
  }

  /** Adds a chunk. Returns a problem if the body exceeds the maximum. */
  add(chunk: Uint8Array): Problem | undefined {
    const length = this.#length + chunk.length
    if (this.#length === 0) {
      // Most bodies arrive in one chunk, which is not copied.
      this.#buffer = chunk
    } else {
      if (length > this.#buffer.length) {
        const grown = new Uint8Array(2 * length)
        grown.set(this.bytes)
        this.#buffer = grown
      }
      this.#buffer.set(chunk, this.#length)
    }
    this.#length = length
    return length > this.#maximum
      ? { description: `The body is larger than ${this.#maximum} bytes`, isTooLarge: true }
      : undefined
  }

  get bytes(): Uint8Array {
    return this.#buffer.length === this.#length ? this.#buffer : this.#buffer.subarray(0, this.#length)
  }
}
