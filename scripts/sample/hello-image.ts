import { type Graph, makeImage, makeIndex } from '../../test/support/made-images.ts'
import { makeLayer } from '../../test/support/made-layers.ts'
import { type Architecture, makeHelloExecutable } from './hello-executable.ts'

/** What the image prints, without the line's end. */
export const HELLO = 'Hello from a registry made of plain files.'

/** Makes the sample image: an OCI index for linux/amd64 and linux/arm64; each image is one file, an executable that prints {@link HELLO}. */
export async function makeHelloImage(): Promise<Graph> {
  return makeIndex(await Promise.all([makeFor('amd64'), makeFor('arm64')]))
}

async function makeFor(architecture: Architecture): Promise<Graph> {
  const content = makeHelloExecutable(architecture, `${HELLO}\n`)
  const layer = await makeLayer([{ name: 'hello', content, mode: 0o755 }])
  return makeImage({ platform: `linux/${architecture}`, layers: [layer], config: { Entrypoint: ['/hello'] } })
}
