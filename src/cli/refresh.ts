import type { EmitProblem } from '../emit/emitter.ts'
import type { RunContext } from './command.ts'

/** Brings the files of the hosts in use up to date after repositories changed, and says what a running server needs. */
export async function refreshAfter(
  root: string,
  repositories: readonly string[] | undefined,
  context: RunContext,
): Promise<void> {
  const [{ refreshHosts }, { openTree }] = await Promise.all([
    import('../emit/apply.ts'),
    import('../tree/disk-tree.ts'),
  ])
  await refreshHosts(openTree(root), {
    signal: context.signal,
    ...(repositories === undefined ? {} : { repositories }),
    report({ title, reload, warnings }) {
      for (const warning of warnings) context.say(formatWarning(title, warning))
      if (reload !== undefined) context.say(formatReload(title, reload))
    },
  })
}

/** What a host cannot do, though it was emitted for. */
export function formatWarning(title: string, { text, hint }: EmitProblem): string {
  return `${title}: ${text}${hint === undefined ? '' : `\n  ${hint}`}`
}

/** The command that makes what changed take effect. */
export function formatReload(title: string, command: string): string {
  return `${title}: for this to take effect: ${command}`
}
