/** The version of this package. A test checks that it equals package.json's. */
export const version = "0.2.0"
