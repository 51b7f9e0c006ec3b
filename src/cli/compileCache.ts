import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

/** The folder in which the user's programs keep what they can make again, or `undefined` where there is none. */
export const cacheHome = (
  environment: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
  home: string
) => {
  const { LOCALAPPDATA, XDG_CACHE_HOME = "" } = environment
  if (platform === "win32") return LOCALAPPDATA
  // The XDG specification ignores a relative path.
  if (Path.isAbsolute(XDG_CACHE_HOME)) return XDG_CACHE_HOME
  return platform === "darwin" ? Path.join(home, "Library", "Caches") : Path.join(home, ".cache")
}

// Node runs what the cache contains, so nobody else may be able to write it. Windows has no such mode and no owner.
const isPrivate = (stats: Fs.Stats) =>
  process.getuid === undefined || (stats.isDirectory() && stats.uid === process.getuid() && (stats.mode & 0o022) === 0)

/** The folder for compiled code, made if it is missing; `undefined` if it cannot be made or others can write it. */
export const compileCacheFolder = () => {
  try {
    const parent = cacheHome(process.env, process.platform, Os.homedir())
    if (parent === undefined) return undefined
    Fs.mkdirSync(parent, { recursive: true, mode: 0o700 })
    if (!isPrivate(Fs.statSync(parent))) return undefined
    const folder = Path.join(parent, "effect-highlevel")
    Fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
    return isPrivate(Fs.lstatSync(folder)) ? folder : undefined
  } catch {
    // No home, or one that is read-only: the command starts without a cache.
    return undefined
  }
}
