import type { Command } from './command.ts'

/** All commands, in the order of the help. Each is loaded by itself: `list` need not know what `emit` knows of hosts. */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['fetch', async () => (await import('./commands/fetch.ts')).fetch],
  ['list', async () => (await import('./commands/list.ts')).list],
  ['serve', async () => (await import('./commands/serve.ts')).serve],
  ['emit', async () => (await import('./commands/emit.ts')).emit],
  ['plan', async () => (await import('./commands/plan.ts')).plan],
  ['deploy', async () => (await import('./commands/deploy.ts')).deploy],
  ['doctor', async () => (await import('./commands/doctor.ts')).doctor],
  ['setup', async () => (await import('./commands/setup.ts')).setup],
  ['verify', async () => (await import('./commands/verify.ts')).verify],
  ['remove', async () => (await import('./commands/remove.ts')).remove],
  ['prune', async () => (await import('./commands/prune.ts')).prune],
])

/** Loads one command; undefined where none is called so. */
export async function loadCommand(name: string): Promise<Command | undefined> {
  return COMMANDS.get(name)?.()
}

/** Loads all commands, in the order of the help. */
export async function loadCommands(): Promise<readonly Command[]> {
  return Promise.all([...COMMANDS.values()].map(load => load()))
}
