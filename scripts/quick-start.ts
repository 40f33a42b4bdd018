import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rootBytes } from '../test/support/made-images.ts'
import { startTestRegistry } from '../test/support/test-registry.ts'
import { findEngine, runImage } from './sample/engines.ts'
import { HELLO, makeHelloImage } from './sample/hello-image.ts'
import { killAll, run, runUntil } from './sample/programs.ts'
import { pullAndVerify } from './sample/pull.ts'

/*
 * `npm run quick-start`: the main job from end to end on this machine alone. A sample registry offers an image made by code;
 * the commands that a person would type fetch it, list it, emit host files, serve it; it is pulled back and verified.
 */

/** The checkout, seen from .build/scripts/. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const REGISTRISH = ['node', 'dist/cli/main.js']

async function main(): Promise<void> {
  const image = await makeHelloImage()
  const again = refuseForeignHello(rootBytes(image))
  const registry = await startTestRegistry({ repositories: { hello: { latest: image } } })
  try {
    say(`A sample registry offers the image "hello" at ${registry.host}. Fetch it:`)
    await type('fetch', `${registry.host}/hello`, 'latest', ...(again ? ['--force'] : []))
  } finally {
    await registry.close()
  }
  say('It is a folder of plain files now:')
  await type('list')
  say('Write what a web server needs to serve them:')
  await type('emit', '--host', 'nginx')
  say('Serve them here and now:')
  await serveAndPull()
  say('Everything on disk is what it should be:')
  await type('verify')
  say('Done. To serve it again and run it:')
  console.log('    node dist/cli/main.js serve\n    docker run localhost:5000/hello')
}

/** Serves the tree on a free port, pulls the image back, runs it where an engine is there, and stops the server. */
async function serveAndPull(): Promise<void> {
  const [command = '', ...args] = printed(['serve', '--listen', '127.0.0.1:0'])
  const server = await runUntil(/http:\/\/127\.0\.0\.1:(?<port>[1-9]\d*)(?=[/\s])/, command, args, ROOT)
  const port = server.found.groups?.['port'] ?? ''
  const { platforms, manifests, blobs, bytes } = await pullAndVerify(`http://127.0.0.1:${port}`, 'hello', 'latest')
  say(
    `Pulled back over HTTP and verified: ${manifests} manifests and ${blobs} blobs (${bytes} bytes) for ${platforms.join(' and ')}.`,
  )
  await runInEngine(`localhost:${port}/hello`)
  await server.stop()
  say('The server has stopped.')
}

async function runInEngine(image: string): Promise<void> {
  const engine = await findEngine()
  if (engine === undefined) {
    say('No container engine answers here, so the image was not run.')
    return
  }
  console.log(`$ ${engine.command(image).join(' ')}`)
  const outcome = await runImage(engine, image)
  if (outcome.kind === 'unable') say(`${engine.name} is there but cannot run it here: ${outcome.reason}`)
  else if (outcome.text !== HELLO) throw new Error(`the image printed ${JSON.stringify(outcome.text)}`)
  else console.log(outcome.text)
}

/**
 * Whether the sample image is in the tree from an earlier run, whose registry had another port: then the fetch is told that this is meant.
 * @throws Error where the user keeps another image under that name.
 */
function refuseForeignHello(sample: Uint8Array): boolean {
  const tag = join(ROOT, 'v2/hello/manifests/latest')
  if (existsSync(tag) && !readFileSync(tag).equals(sample)) {
    throw new Error(
      'v2/hello holds an image that is not the sample: remove it first (node dist/cli/main.js remove hello)',
    )
  }
  return existsSync(join(ROOT, '.registrish'))
}

/** Runs a command of registrish as a person would type it. */
async function type(...args: readonly string[]): Promise<void> {
  const [command = '', ...rest] = printed(args)
  await run(command, rest, ROOT)
}

function printed(args: readonly string[]): readonly string[] {
  const words = [...REGISTRISH, ...args]
  console.log(`$ ${words.join(' ')}`)
  return words
}

function say(text: string): void {
  console.log(`\n${text}`)
}

process.on('exit', killAll)
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

try {
  await main()
} catch (error) {
  console.error(`\nThe quick start failed: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
}
