import type { Command } from './command.ts'
import { emit } from './commands/emit.ts'
import { fetch } from './commands/fetch.ts'
import { list } from './commands/list.ts'
import { prune } from './commands/prune.ts'
import { remove } from './commands/remove.ts'
import { serve } from './commands/serve.ts'
import { verify } from './commands/verify.ts'

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [fetch, list, serve, emit, verify, remove, prune]
