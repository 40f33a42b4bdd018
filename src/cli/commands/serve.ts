import { messageOf } from '../../errors.ts'
import { textOf } from '../arguments.ts'
import { type Arguments, type Command, ROOT_FLAG, type RunContext } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { count } from '../format.ts'
import { limitLines } from '../limit-lines.ts'
import { rootOf } from '../root.ts'

/** `registrish serve`. */
export const serve: Command = {
  name: 'serve',
  summary: 'Serve the registry of files from this machine, read-only',
  details: [
    'Serve the registry of files below --root, read-only, until interrupted. What is fetched meanwhile is served at once. It listens on this machine only unless --listen says otherwise; the variable PORT changes the default port.',
  ],
  positionals: [],
  flags: [
    ROOT_FLAG,
    {
      name: 'listen',
      alias: 'l',
      type: 'string',
      value: 'HOST:PORT',
      describe: 'address to listen on (default: 127.0.0.1:5000); port 0 takes a free one',
    },
  ],
  examples: [
    { line: 'registrish serve', text: 'then: docker run localhost:5000/alpine' },
    { line: 'registrish serve --listen 0.0.0.0:8080 --root /srv/mirror', text: 'for the whole network' },
  ],
  run: runServe,
}

async function runServe(args: Arguments, context: RunContext): Promise<number> {
  const [{ serve: start }, { openTree }] = await Promise.all([
    import('../../serve/server.ts'),
    import('../../tree/disk-tree.ts'),
  ])
  const tree = openTree(rootOf(args, { mustExist: true }))
  const port = process.env['PORT']
  const listen = textOf(args, 'listen') ?? `127.0.0.1:${port === undefined || port === '' ? '5000' : port}`
  // a server outlives whoever reads its log
  process.stderr.on('error', () => undefined)
  const complain = limitLines(context.say)
  const server = await start(tree, {
    listen,
    signal: context.signal,
    onEvent: event => {
      if (event.type === 'failed') complain(`${event.target ?? 'a connection'}: ${messageOf(event.error)}`)
    },
  })
  const names = await tree.repositories()
  if (context.output === 'text') {
    context.print(`${server.url} serves ${count(names.length, 'repository', 'repositories')} of ${tree.root}`)
    context.say(
      names.length === 0
        ? '  nothing yet: registrish fetch alpine latest'
        : `  docker run ${pullHost(server)}/${names[0]}`,
    )
  } else {
    context.print(JSON.stringify({ url: server.url, root: tree.root, repositories: names.length }))
  }
  await server.closed
  return EXIT.done
}

/** What clients on this machine write before the repository: engines take plain HTTP for granted at localhost. */
function pullHost({ host, port }: { readonly host: string; readonly port: number }): string {
  return ['127.0.0.1', '0.0.0.0', '::', '::1'].includes(host.replace(/^\[|\]$/g, ''))
    ? `localhost:${port}`
    : `${host}:${port}`
}
