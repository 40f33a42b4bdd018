import { chmodSync, chownSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** The user id that owns nothing. */
const NOBODY = 65_534

/** Runs with the rights of an ordinary user, who owns `folder` and all in it: where the tests run as root, to whom no file is closed, as nobody. */
export async function asOrdinaryUser(folder: string, run: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) {
    await run()
    return
  }
  for (const path of ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })])
    chownSync(join(folder, path), NOBODY, NOBODY)
  chmodSync(folder, 0o755)
  process.seteuid?.(NOBODY)
  try {
    await run()
  } finally {
    process.seteuid?.(0)
  }
}
