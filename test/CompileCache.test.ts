import { assert, describe, it } from "@effect/vitest"
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import { cacheHome } from "../src/cli/compileCache.ts"
import { run } from "./process.ts"

describe("cacheHome", () => {
  it("is the folder that the system has for it", () => {
    assert.strictEqual(cacheHome({}, "linux", "/home/me"), "/home/me/.cache")
    assert.strictEqual(cacheHome({ XDG_CACHE_HOME: "/var/me" }, "linux", "/home/me"), "/var/me")
    assert.strictEqual(cacheHome({ XDG_CACHE_HOME: "relative" }, "linux", "/home/me"), "/home/me/.cache")
    assert.strictEqual(cacheHome({}, "darwin", "/Users/me"), "/Users/me/Library/Caches")
    assert.strictEqual(cacheHome({ LOCALAPPDATA: "C:\\me" }, "win32", "C:\\"), "C:\\me")
    assert.isUndefined(cacheHome({}, "win32", "C:\\"))
  })
})

describe.skipIf(process.platform === "win32")("the compile cache", () => {
  let home = ""
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "effect-highlevel-home-"))
  })
  afterEach(() => rmSync(home, { recursive: true, force: true }))

  /** Runs the command with an environment, and returns the names in a folder. */
  const start = async (folder: string, env: Record<string, string> = {}) => {
    const { code, stderr, stdout } = await run("src/cli/main.ts", ["--version"], {
      HOME: home,
      XDG_CACHE_HOME: join(home, ".cache"),
      NODE_COMPILE_CACHE: "",
      ...env
    })
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
    assert.match(stdout, /^effect-highlevel v\d/)
    return existsSync(folder) ? readdirSync(folder) : []
  }
  const own = () => join(home, ".cache", "effect-highlevel")

  it("is in a folder that only the user can open", async () => {
    assert.lengthOf(await start(own()), 1)
    assert.strictEqual(lstatSync(own()).mode & 0o777, 0o700)
    assert.strictEqual(lstatSync(join(home, ".cache")).mode & 0o777, 0o700)
  })

  it("is not in a folder that others can write", async () => {
    mkdirSync(own(), { recursive: true })
    chmodSync(own(), 0o777)
    assert.isEmpty(await start(own()))
  })

  it("is not behind a link", async () => {
    const elsewhere = join(home, "elsewhere")
    mkdirSync(elsewhere, { mode: 0o700 })
    mkdirSync(join(home, ".cache"), { mode: 0o700 })
    symlinkSync(elsewhere, own())
    assert.isEmpty(await start(elsewhere))
  })

  it("is not where anybody can make a folder", async () => {
    const shared = join(home, "shared")
    mkdirSync(shared)
    chmodSync(shared, 0o1777)
    assert.isEmpty(await start(shared, { XDG_CACHE_HOME: shared }))
  })

  it.skipIf(process.getuid?.() !== 0)("is not in a folder of another user", async () => {
    mkdirSync(own(), { recursive: true, mode: 0o700 })
    // Only root can give a folder away, and root reads what others made.
    chownSync(own(), 65534, 65534)
    assert.isEmpty(await start(own()))
  })

  it("may be impossible", async () => {
    // No folder can be made below a file.
    assert.isEmpty(await start(own(), { XDG_CACHE_HOME: "/dev/null" }))
  })

  it("is where NODE_COMPILE_CACHE says", async () => {
    const named = join(home, "named")
    assert.lengthOf(await start(named, { NODE_COMPILE_CACHE: named }), 1)
    assert.isFalse(existsSync(own()))
  })

  it("is off with NODE_DISABLE_COMPILE_CACHE", async () => {
    assert.isEmpty(await start(own(), { NODE_DISABLE_COMPILE_CACHE: "1" }))
    assert.isFalse(existsSync(own()))
  })
})
