import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

/** Returns the user's cache folder, or `undefined` if there is none. */
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

// Node runs code from the cache, so nobody else may write it. Windows has neither such modes nor owners.
const isPrivate = (stats: Fs.Stats) =>
  process.getuid === undefined || (stats.isDirectory() && stats.uid === process.getuid() && (stats.mode & 0o022) === 0)

/** Returns the folder for compiled code, creating it if needed; `undefined` if that fails or others can write it. */
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
    // Without a writable home, the command starts without a cache.
    return undefined
  }
}
