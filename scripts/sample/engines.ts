import { capture, type Ended } from './programs.ts'

/** A container engine that answered. */
export interface Engine {
  readonly name: 'docker' | 'podman'
  /** The command that pulls an image afresh from a loopback registry and runs it, as a person would type it. */
  command(image: string): readonly string[]
}

/** How a run in an engine went: what the image printed, or why the engine could not run it. */
export type Outcome =
  | { readonly kind: 'printed'; readonly text: string }
  | { readonly kind: 'unable'; readonly reason: string }

/** Finds an engine that answers within a few seconds. */
export async function findEngine(): Promise<Engine | undefined> {
  for (const [engine, probe] of PROBES) {
    const ended = await capture(engine.name, probe, 10_000)
    if (ended?.code === 0 && ended.stdout.trim() !== '') return engine
  }
  return undefined
}

/**
 * Runs an image and removes it again.
 * @throws Error where the registry's answers are at fault; an engine that cannot run anything here (no rights, a machine of its own) is `unable`.
 */
export async function runImage(engine: Engine, image: string): Promise<Outcome> {
  const [command = engine.name, ...args] = engine.command(image)
  const ended = await capture(command, args, 120_000)
  await capture(engine.name, ['rmi', image], 30_000)
  if (ended?.code === 0) return { kind: 'printed', text: ended.stdout.trim() }
  const reason = lastLine(ended)
  if (REGISTRY_FAULT.test(reason)) throw new Error(`${engine.name} could not pull ${image}: ${reason}`)
  return { kind: 'unable', reason }
}

const DOCKER: Engine = { name: 'docker', command: image => ['docker', 'run', '--rm', '--pull', 'always', image] }
const PODMAN: Engine = {
  name: 'podman',
  command: image => ['podman', 'run', '--rm', '--pull', 'always', '--tls-verify=false', image],
}

/** A command per engine that succeeds and prints something only where the engine itself answers. */
const PROBES: readonly (readonly [Engine, readonly string[]])[] = [
  [DOCKER, ['info', '--format', '{{.ServerVersion}}']],
  [PODMAN, ['info', '--format', '{{.Version.Version}}']],
]

/** What engines say when a registry answers wrongly. */
const REGISTRY_FAULT =
  /manifest (?:for .* not found|unknown|invalid)|name unknown|blob unknown|unexpected (?:http )?status|media ?type|digest|verification failed|unauthorized/i

/** What the engine complains of: its own line about the error where there is one, since progress and advice stand around it. */
function lastLine(ended: Ended | undefined): string {
  const lines = (ended?.stderr ?? '').split('\n').map(line => line.trim())
  const complaint = lines.findLast(line => /^(?:docker:|error)/i.test(line)) ?? lines.findLast(line => line !== '')
  return complaint ?? 'it said nothing'
}
