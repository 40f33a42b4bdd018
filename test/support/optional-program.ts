import { spawnSync } from 'node:child_process'
import { describe, it } from 'vitest'

/**
 * Like `describe`, for tests that need one program beside node: where it is absent they are one skipped test that says so, and a line on stderr;
 * with `REGISTRISH_E2E=required`, as in CI, that is a failure. `args` make the program print its version.
 */
export function describeWithProgram(program: string, args: readonly string[], name: string, suite: () => void): void {
  if (spawnSync(program, args).status === 0) {
    describe(name, suite)
    return
  }
  const reason = `${program} is not here; scripts/e2e-setup.sh installs it`
  if (process.env['REGISTRISH_E2E'] === 'required') {
    describe(name, () => {
      it(`can run: ${reason}`, () => {
        throw new Error(reason)
      })
    })
    return
  }
  process.stderr.write(`skipped: ${name}: ${reason}\n`)
  describe(name, () => {
    it.skip(`skipped: ${reason}`, () => undefined)
  })
}
