/** A command, and what it is for. */
interface Step {
  readonly why: string
  readonly command: string
}

/** The middle of a script for a shell: each command below its reason, then what is done once all have been run. */
export function* formatSteps(steps: readonly Step[], deploy: string, host: string): Generator<string> {
  for (const { why, command } of steps) {
    yield ''
    yield `# ${why}`
    yield command
  }
  yield ''
  yield '# Then:'
  yield `#   ${deploy}`
  yield `#   docker run ${host}/alpine`
}
