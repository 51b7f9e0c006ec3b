/** Describes file system errors. */
import * as Predicate from "effect/Predicate"
import * as PlatformError from "effect/PlatformError"

const byCode: Record<string, string> = {
  EACCES: "permission denied",
  EDQUOT: "the disk quota is used up",
  EISDIR: "it is a folder",
  EMFILE: "too many files are open",
  ENOENT: "there is no such file or folder",
  ENOSPC: "no space is left on the disk",
  ENOTDIR: "part of its path is not a folder",
  EPERM: "permission denied",
  EROFS: "the file system is read-only"
}

/** A message for a file system error. Other errors keep their own. */
export const describe = (error: unknown): string => {
  const cause = PlatformError.isPlatformError(error) ? error.reason.cause : error
  const code = Predicate.hasProperty(cause, "code") && typeof cause.code === "string" ? cause.code : ""
  return byCode[code] ?? (Predicate.isError(error) ? error.message : String(error))
}
