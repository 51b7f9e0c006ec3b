import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as PlatformError from "effect/PlatformError"
import * as FileProblem from "../src/jobs/fileProblem.ts"

describe("what is wrong with a file", () => {
  it.effect.each([
    ["src", "it is a folder"],
    ["nowhere", "there is no such file or folder"],
    ["package.json/nowhere", "part of its path is not a folder"]
  ] as const)("is said of %s", ([path, problem]) =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      assert.strictEqual(FileProblem.describe(yield* Effect.flip(fileSystem.readFile(path))), problem)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.each([
    ["EACCES", "permission denied"],
    ["EDQUOT", "the disk quota is used up"],
    ["EMFILE", "too many files are open"],
    ["ENOSPC", "no space is left on the disk"],
    ["EPERM", "permission denied"],
    ["EROFS", "the file system is read-only"]
  ])("is said of %s", (code, problem) => {
    const cause = Object.assign(new Error("of Node"), { code })
    const error = PlatformError.systemError({ _tag: "Unknown", module: "FileSystem", method: "open", cause })
    assert.deepStrictEqual([FileProblem.describe(error), FileProblem.describe(cause)], [problem, problem])
  })

  it("is the error's own message where it is another one", () => {
    assert.strictEqual(FileProblem.describe(Object.assign(new Error("of Node"), { code: "EIO" })), "of Node")
    assert.strictEqual(FileProblem.describe("it is not a file"), "it is not a file")
  })
})
