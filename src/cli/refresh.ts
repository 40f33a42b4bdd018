import type { EmitProblem } from '../emit/emitter.ts'
import type { RunContext } from './command.ts'

/** Brings the files of the hosts in use up to date after repositories changed, or where someone was killed before that; says what a running server needs. */
export async function refreshAfter(
  root: string,
  repositories: readonly string[] | undefined,
  context: RunContext,
): Promise<void> {
  if (repositories?.length === 0) {
    const { hasChanges } = await import('../tree/change-notes.ts')
    if (!(await hasChanges(root))) return
  }
  const [{ refreshHosts }, { openTree }] = await Promise.all([
    import('../emit/apply.ts'),
    import('../tree/disk-tree.ts'),
  ])
  await refreshHosts(openTree(root), {
    signal: context.signal,
    ...(repositories === undefined ? {} : { repositories }),
    report({ name, reload, warnings }) {
      for (const warning of warnings) context.say(formatWarning(name, warning))
      if (reload !== undefined) context.say(formatReload(name, reload))
    },
  })
}

/** What a host cannot do, though it was emitted for. */
export function formatWarning(host: string, { text, hint }: EmitProblem): string {
  return `${host}: ${text}${hint === undefined ? '' : `\n  ${hint}`}`
}

/** The command that makes what changed take effect. */
export function formatReload(host: string, command: string): string {
  return `${host}: for this to take effect: ${command}`
}
