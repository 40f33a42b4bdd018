import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type Cost, readUse } from './programs.ts'
import { startRegistrish } from './registrish.ts'

/** Starts `registrish serve`, asks it for a path as soon as it says where it is, and ends it. @throws Error where it ends by itself, or answers anything but 200. */
export async function measureServe(root: string, path: string): Promise<Omit<Cost, 'stdout'>> {
  const started = performance.now()
  const child = startRegistrish('serve', '--listen', '127.0.0.1:0', '--output', 'json', '--root', root)
  const closed = once(child, 'close')
  try {
    if (child.stdout === null) throw new Error('registrish serve has no output')
    const lines = createInterface({ input: child.stdout })
    const [line] = (await Promise.race([once(lines, 'line'), once(lines, 'close')])) as [string?]
    if (line === undefined) throw new Error('registrish serve ended by itself')
    const { url } = JSON.parse(line) as { readonly url: string }
    const answer = await fetch(`${url}${path}`)
    if (answer.status !== 200) throw new Error(`registrish serve answered ${path} with ${answer.status}`)
    await answer.arrayBuffer()
    const seconds = (performance.now() - started) / 1000
    const use = readUse(child.pid) ?? { cpu: Number.NaN, memory: Number.NaN, read: Number.NaN }
    return { seconds, ...use }
  } finally {
    child.kill('SIGTERM')
    await closed
  }
}
