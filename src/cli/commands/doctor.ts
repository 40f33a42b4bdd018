import { CLIENTS, type Client, type DoctorReport } from '../../doctor/report.ts'
import { RegistrishError } from '../../errors.ts'
import { isOn, listOf, positionalOf, textOf } from '../arguments.ts'
import type { Arguments, Command, RunContext } from '../command.ts'
import { caFileOf } from '../deploy-flags.ts'
import { EXIT } from '../exit-code.ts'
import { formatReport } from '../format-doctor.ts'

/** `registrish doctor`. */
export const doctor: Command = {
  name: 'doctor',
  summary: 'Say which clients can pull from a host, and what to change',
  details: [
    'Ask a host as docker, containerd, podman, crane, oras and helm would, and say of each whether it will be able to pull: works, works with a caveat, or fails. For whatever is wrong: what was seen, what is needed, and what to change on that host. Any registry may be examined, not only one of ours; nothing is written there, and a few dozen requests are all, with one for each layer.',
    'Each client stands for those that ask alike: containerd for Kubernetes, BuildKit and Docker 29, podman for skopeo, buildah and CRI-O, crane for cosign. Without an image one is chosen from the catalogue. The exit code is 2 where a client fails, --client says whose verdict counts; it is 5 where there was no image to try.',
  ],
  positionals: [{ name: 'registry', describe: 'host[:port][/name[:tag]], or a URL', required: true, variadic: false }],
  flags: [
    {
      name: 'client',
      type: 'string',
      value: 'NAME',
      repeated: true,
      choices: CLIENTS,
      describe: 'whose verdict counts for the exit code; default: that of all',
    },
    { name: 'plain-http', type: 'boolean', describe: 'speak plain HTTP; a host on this machine is found to do so' },
    { name: 'ca-file', type: 'string', value: 'FILE', describe: 'more certificate authorities, PEM' },
    {
      name: 'authfile',
      type: 'string',
      value: 'FILE',
      describe: 'credentials file, should the host ask for any; by default those of docker and podman',
    },
  ],
  examples: [
    { line: 'registrish doctor registry.example.com', text: 'with an image of its catalogue' },
    {
      line: 'registrish doctor localhost:5555/alpine:latest --client docker,podman',
      text: 'an image, and two clients',
    },
    { line: 'registrish doctor registry.example.com -o json', text: 'for programs' },
  ],
  run: runDoctor,
}

async function runDoctor(args: Arguments, context: RunContext): Promise<number> {
  const { examineRegistry } = await import('../../doctor/examine.ts')
  const target = positionalOf(args, 'registry') ?? ''
  const counting = clientsOf(args)
  const authFile = textOf(args, 'authfile')
  const report = await examineRegistry(target, {
    plainHttp: isOn(args, 'plain-http'),
    signal: context.signal,
    ...caFileOf(args),
    ...(authFile === undefined ? {} : { authFile }),
  })
  print(report, context)
  const failed = report.clients.some(({ client, verdict }) => verdict === 'fails' && counting.includes(client))
  if (failed) return EXIT.problems
  return report.image === undefined ? EXIT.notFound : EXIT.done
}

function clientsOf(args: Arguments): readonly Client[] {
  const named = listOf(args, 'client', { commas: true })
  const unknown = named.find(name => !CLIENTS.some(client => client === name))
  if (unknown !== undefined)
    throw new RegistrishError('usage', `no such client: ${unknown}`, { hint: `choose of: ${CLIENTS.join(', ')}` })
  return named.length === 0 ? CLIENTS : CLIENTS.filter(client => named.includes(client))
}

function print(report: DoctorReport, context: RunContext): void {
  if (context.output === 'text') for (const line of formatReport(report)) context.print(line)
  else if (context.output === 'json') context.print(JSON.stringify(report, undefined, 2))
  else {
    const { checks, clients, ...rest } = report
    for (const check of checks) context.print(JSON.stringify({ ...rest, ...check }))
    for (const client of clients) context.print(JSON.stringify({ ...rest, ...client }))
  }
}
