/** Before each file of tests: that they run where the matrix says they do. */
import { Server } from "node:http"
import process from "node:process"

const [name = "", version] = (process.env["RUNTIME"] ?? "").split(" ")
if (version === undefined || process.versions[name] !== version) {
  throw new Error(`Not in ${process.env["RUNTIME"]}, but in ${JSON.stringify(process.versions)}`)
}

// Deno's fetch connects ahead of need, and may never use the connection. A server that is
// closed waits for the first request on it: up to a minute, and longer than a test may take.
if (name === "deno") {
  const { close } = Server.prototype
  Server.prototype.close = function (callback) {
    close.call(this, callback)
    this.closeAllConnections()
    return this
  }
}
