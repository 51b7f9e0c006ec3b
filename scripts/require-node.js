// Plain JavaScript without imports: it must run on a Node that is too old.
const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    [
      `This checkout needs Node 22.19 or newer, and runs on ${process.versions.node}.`,
      "The devDependency `node` brings its own Node 24, which an install script fetches.",
      "Run `npm ci` without --ignore-scripts, and start scripts with `npm run`."
    ].join("\n")
  )
  process.exit(1)
}
