import { join } from 'node:path'
import type { Bench, Case, Measure, Sample, Side } from '../bench.ts'
import { loadServer, writeScript } from '../load.ts'
import { twoCores } from '../machine.ts'
import { largeSize, type MadeTree, makeTree } from '../make-tree.ts'
import { emitFor, type HostForm, hostForms } from '../registrish.ts'
import { findFreePort, startServer } from '../server-process.ts'
import { type Site, WEB_SERVERS, type WebServer } from '../servers.ts'

/** Web servers with what `emit` wrote against the same servers with the same files as they are. */
export const webservers: Bench = {
  name: 'webservers',
  summary: '100,000 tags behind a web server on one core, as emitted against the bare files',
  needs: ['wrk', 'taskset'],
  runs: { full: 4, quick: 2 },
  async prepare({ folder, quick }) {
    const tree = await makeTree(join(folder, 'tree'), largeSize(quick))
    const scripts = {
      byTag: writeScript(folder, 'by-tag', tree.byTag),
      byDigest: writeScript(folder, 'by-digest', tree.byDigest),
    }
    return hostForms().flatMap(host => {
      const server = WEB_SERVERS[host.emitter.name]
      return server === undefined ? [] : [caseOf({ host, server, tree, scripts, folder })]
    })
  },
}

interface Setting {
  readonly host: HostForm
  readonly server: WebServer
  readonly tree: MadeTree
  readonly scripts: { readonly byTag: string; readonly byDigest: string }
  readonly folder: string
}

function caseOf(setting: Setting): Case {
  const { host, server, tree, folder } = setting
  return {
    name: host.title,
    needs: [server.program],
    measures: measuresOf(host),
    async setup() {
      const ports = { emitted: await findFreePort(), bare: await findFreePort() }
      await emitFor(host, tree.root, ports.emitted)
      const side = (content: Site['content']): Side => {
        const place = join(folder, `${host.emitter.name}-${content}`)
        return {
          name: content,
          run: () => serve(setting, { root: tree.root, folder: place, port: ports[content], content }),
        }
      }
      return [side('emitted'), side('bare')]
    },
  }
}

/** What the aims are: a form that is written once costs the server look-ups at each request, a map costs it time and memory at its start. */
function measuresOf({ emitter, form }: HostForm): readonly Measure[] {
  const map = form === 'map'
  const ratio = emitter.name === 'htaccess' ? undefined : map ? '>= 0.75 x' : '>= 0.4 x'
  const aim = ratio === undefined ? {} : { aim: ratio }
  return [
    { key: 'byTag', name: 'manifests by tag', unit: '/s', ...aim },
    { key: 'byDigest', name: 'manifests by digest', unit: '/s', ...aim },
    { key: 'perCpuSecond', name: 'by tag, per second of its processor', unit: '/s' },
    { key: 'start', name: 'start to first answer', unit: 's', aim: map ? '<= 3 s' : '<= 0.2 s' },
    { key: 'memory', name: 'memory', unit: 'MiB' },
  ]
}

async function serve({ server, tree, scripts }: Setting, site: Site): Promise<Sample> {
  const [core, client] = twoCores()
  const running = await startServer(server, site, { path: tree.byTag[0] ?? '/', core })
  try {
    const before = running.use()
    const { answered, perSecond: byTag } = await loadServer(running.url, { script: scripts.byTag, core: client })
    const after = running.use()
    const { perSecond: byDigest } = await loadServer(running.url, { script: scripts.byDigest, core: client })
    const { start } = running
    return { byTag, byDigest, perCpuSecond: answered / (after.cpu - before.cpu), start, memory: running.use().memory }
  } finally {
    await running.stop()
  }
}
