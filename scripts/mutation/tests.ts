/** Tests that start processes from bundles, where no mutant is, or that take seconds each. */
export const excludedTests: ReadonlyArray<string> = [
  "BulkProcesses.test.ts",
  "CliProcesses.test.ts",
  "InboxProcesses.test.ts",
  "OAuthProcesses.test.ts",
  "WebhookProcesses.test.ts",
  "ReadmeCommands.test.ts",
  "examples.test.ts",
  "package.test.ts",
  "Bodies.test.ts",
  "Faults.test.ts",
  "InboxScale.test.ts"
]
