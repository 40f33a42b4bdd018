import type { HostRequest, HostResult } from '../../emit/apply.ts'
import type { EmitOption } from '../../emit/emitter.ts'
import { EMITTERS } from '../../emit/hosts.ts'
import { WITHOUT_HEADERS } from '../../emit/without-headers.ts'
import { RegistrishError } from '../../errors.ts'
import { listOf, textOf } from '../arguments.ts'
import { type Arguments, type Command, type Flag, ROOT_FLAG, type RunContext } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { count } from '../format.ts'
import { formatReload, formatWarning } from '../refresh.ts'
import { rootOf } from '../root.ts'
import { webRootNotes } from '../web-root-notes.ts'

/** Options of all hosts, each once; a name means the same to every host. */
const OPTIONS: readonly EmitOption[] = [
  ...new Map(EMITTERS.flatMap(({ options }) => options).map(option => [option.name, option])).values(),
]

/** `registrish emit`. */
export const emit: Command = {
  name: 'emit',
  summary: 'Write what a static host needs to serve the registry of files',
  details: [
    'Write the configuration of static hosts (web servers of your own, or a service) below --root, so that they serve the registry of files there. A host for which this was done once is in use: fetch, remove and prune keep its files up to date with the same options. Without --host all hosts in use are brought up to date.',
    `${WITHOUT_HEADERS.map(({ name }) => name)
      .join(', ')
      .replace(
        /, ([^,]*)$/,
        ' and $1',
      )} cannot be told the type of a file, which clients go by: they are refused, with what would come of it and what to do instead.`,
  ],
  positionals: [],
  flags: [
    ROOT_FLAG,
    {
      name: 'host',
      type: 'string',
      value: 'NAME',
      repeated: true,
      choices: [...EMITTERS, ...WITHOUT_HEADERS].map(({ name }) => name),
      describe: 'host to write for',
    },
    ...OPTIONS.map(
      ({ name, value, description, default: first }): Flag => ({
        name,
        type: 'string',
        value,
        describe: `${description}; default: as last time, at first ${first}`,
      }),
    ),
  ],
  examples: [
    { line: 'registrish emit --host nginx', text: 'the first time: for docker-compose up, port 5555' },
    { line: 'registrish emit --host nginx --web-root "$PWD" --port 8080', text: 'for an nginx of this machine' },
    { line: 'registrish emit --host apache,netlify', text: 'for two hosts' },
    { line: 'registrish emit', text: 'bring all hosts in use up to date' },
  ],
  run: runEmit,
}

async function runEmit(args: Arguments, context: RunContext): Promise<number> {
  const [{ emitHosts }, { openTree }] = await Promise.all([
    import('../../emit/apply.ts'),
    import('../../tree/disk-tree.ts'),
  ])
  const tree = openTree(rootOf(args, { mustExist: true }))
  const given = OPTIONS.flatMap(({ name }) => {
    const value = textOf(args, name)
    return value === undefined ? [] : [[name, value] as const]
  })
  const hosts = [...new Set(listOf(args, 'host', { commas: true }))]
  if (hosts.length === 0 && given.length > 0) {
    throw new RegistrishError('usage', `--${given[0]?.[0]} is an option of a host`, {
      hint: 'name the host with --host',
    })
  }
  const requests = assignOptions(hosts, given)
  const results = await emitHosts(tree, requests, { signal: context.signal })
  printResults(results, context)
  for (const { name } of results)
    for (const [option] of given) if (!knows(name, option)) context.say(`${name}: has no --${option}`)
  const webRoots = results.flatMap(({ options }) => options['web-root'] ?? [])
  for (const note of webRootNotes(tree.root, { given: textOf(args, 'web-root'), used: webRoots })) context.say(note)
  return EXIT.done
}

/** Each option goes to the hosts that have it; one that none of them has is refused where the others are. */
function assignOptions(hosts: readonly string[], given: readonly Given[]): readonly HostRequest[] {
  return hosts.map(name => {
    const options = given.filter(([option]) => knows(name, option) || !hosts.some(host => knows(host, option)))
    return { name, options: Object.fromEntries(options) }
  })
}

type Given = readonly [name: string, value: string]

function knows(host: string, option: string): boolean {
  return EMITTERS.some(({ name, options }) => name === host && options.some(known => known.name === option))
}

function printResults(results: readonly HostResult[], { output, print, say }: RunContext): void {
  if (output !== 'text') print(JSON.stringify({ hosts: results }, undefined, output === 'json' ? 2 : undefined))
  for (const result of results) {
    if (output === 'text') for (const line of formatResult(result)) print(line)
    for (const warning of result.warnings) say(formatWarning(result.name, warning))
    if (result.unproven !== undefined) say(`${result.name}: unproven: ${result.unproven}`)
    if (result.setup !== undefined) say(`${result.name}: to begin with, ${result.setup}`)
    else if (result.reload !== undefined) say(formatReload(result.name, result.reload))
  }
}

function formatResult({ name, options, changed, links }: HostResult): readonly string[] {
  const flags = Object.entries(options).map(([option, value]) => ` --${option} ${value}`)
  if (changed.length === 0 && links === 0)
    return [`${name}: up to date${flags.length === 0 ? '' : ` with${flags.join('')}`}`]
  return [
    ...changed.map(path => `${name}: wrote ${path}`),
    ...(links === 0 ? [] : [`${name}: changed ${count(links, 'link')}`]),
  ]
}
