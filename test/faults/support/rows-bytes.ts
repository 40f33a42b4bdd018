import { gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { digestOf } from '../../../src/oci/digest.ts'
import { rootBytes } from '../../support/made-images.ts'
import { breaksAfter, first, redirects, sendsHeaders, wrongBytes } from '../../support/registry-faults.ts'
import type { Refusal, Rows } from './judge-row.ts'
import { startRawServer } from './raw-server.ts'
import {
  breaksAtByte,
  bytesOfGood,
  chunked,
  lengthOff,
  ofBig,
  ofHead,
  ofManifest,
  portal,
  sends,
  startsOfBig,
} from './upstream-faults.ts'
import { SIZE } from './upstream-world.ts'

const DAMAGED = /damaged|changes its answers/
const AGAIN = /run the same command again/
const HALF = SIZE / 2
const half = (body: Uint8Array): Uint8Array => body.subarray(0, Math.floor(body.length / 2))
const other = digestOf('other')

const damaged = (code: 'digest-mismatch' | 'size-mismatch'): Refusal => ({ code, hint: DAMAGED })
const notAsked: Refusal = { code: 'bad-answer', hint: /switch compression off/, message: /Content-Encoding gzip/ }

/** The body is not what it should be: too short, other bytes, another length. */
export const BODY_ROWS: Rows = {
  'truncated body: a blob, each time': {
    fault: world => ofBig(world, breaksAtByte(HALF, 'ends')),
    refused: { code: 'unreachable', hint: /kept and resumed/ },
    check: world => expect(startsOfBig(world)).toEqual([0, HALF, HALF, HALF]),
    mended: world => expect(startsOfBig(world)).toEqual([HALF]),
  },
  'truncated body: a blob that says nothing of its length, once': {
    fault: world => ofBig(world, first(1, chunked(half))),
    check: world => expect(startsOfBig(world)).toEqual([0, HALF]),
  },
  'truncated body: a blob of which nothing comes': {
    fault: world =>
      ofBig(
        world,
        chunked(() => new Uint8Array()),
      ),
    refused: damaged('size-mismatch'),
  },
  'truncated body: a manifest, each time': {
    fault: ({ child }) => ofManifest(child.root.digest, breaksAfter(100, 'ends')),
    refused: { code: 'unreachable', hint: AGAIN },
  },
  'truncated body: a manifest, once': {
    fault: ({ child }) => ofManifest(child.root.digest, first(1, breaksAfter(100, 'ends'))),
  },
  'truncated body: a manifest that says nothing of its length': {
    fault: ({ good }) => ofManifest(good.root.digest, chunked(half)),
    refused: damaged('digest-mismatch'),
  },
  'wrong bytes: a layer': { fault: world => ofBig(world, wrongBytes), refused: damaged('digest-mismatch') },
  'wrong bytes: the rest of a layer that is resumed': {
    fault: world =>
      ofBig(world, async (request, next) => {
        const broken = { ...(await next(request)), breaks: { how: 'ends', after: HALF } } as const
        return request.headers['range'] === undefined ? broken : wrongBytes(request, next)
      }),
    refused: damaged('digest-mismatch'),
  },
  'wrong bytes: the manifest of the tag': {
    fault: ({ good }) => ofManifest(good.root.digest, wrongBytes),
    refused: damaged('digest-mismatch'),
  },
  'wrong bytes: the manifest of a child': {
    fault: ({ child }) => ofManifest(child.root.digest, wrongBytes),
    refused: damaged('digest-mismatch'),
  },
  'wrong length: a blob said to be longer': {
    fault: world => ofBig(world, lengthOff(7)),
    refused: { ...damaged('size-mismatch'), message: /should have 500000 bytes, but \S+ has 500007/ },
  },
  'wrong length: a blob said to be shorter': {
    fault: world => ofBig(world, lengthOff(-7)),
    refused: { ...damaged('size-mismatch'), message: /should have 500000 bytes, but \S+ has 499993/ },
  },
  'wrong length: a blob that goes on, in chunks': {
    fault: world =>
      ofBig(
        world,
        chunked(body => Buffer.concat([body, Buffer.from('!')])),
      ),
    refused: damaged('size-mismatch'),
  },
  'wrong length: none, a blob in chunks': {
    fault: world => ofBig(world, chunked()),
    check: (_, { report }) => expect(report?.totals.bytesFetched).toBeGreaterThan(SIZE),
  },
  'wrong length: none, a blob that ends with its connection': {
    fault: async world => {
      const bytes = world.good.blobs.get(world.big.digest) ?? new Uint8Array()
      const head = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n'
      const url = await startRawServer(() => Buffer.concat([Buffer.from(head), bytes]))
      return ofBig(
        world,
        redirects(() => url),
      )
    },
    check: world => expect(startsOfBig(world)).toEqual([0]),
  },
  'wrong length: a tag said to be longer': {
    fault: () => ofHead(lengthOff(1)),
    refused: damaged('size-mismatch'),
  },
  'wrong length: a tag said to be shorter': {
    fault: () => ofHead(lengthOff(-1)),
    refused: damaged('size-mismatch'),
  },
  'wrong length: none, a tag': { fault: () => ofHead(sendsHeaders({ 'transfer-encoding': 'chunked' })) },
  'wrong length: a manifest said to be longer': {
    fault: ({ good }) => ofManifest(good.root.digest, lengthOff(5)),
    refused: { code: 'unreachable', hint: AGAIN },
  },
  'wrong length: a manifest said to be shorter': {
    fault: ({ good }) => ofManifest(good.root.digest, lengthOff(-5)),
    refused: damaged('digest-mismatch'),
  },
  'wrong length: none, manifests in chunks': { fault: ({ good }) => ofManifest(good.root.digest, chunked()) },
}

/** `Docker-Content-Digest` names something else. */
export const DIGEST_HEADER_ROWS: Rows = {
  'wrong digest header: HEAD names what is not there': {
    fault: () => ofHead(sendsHeaders({ 'docker-content-digest': other })),
    refused: { code: 'not-found', hint: /lost there/, message: /has no manifest sha256:/ },
  },
  'wrong digest header: HEAD names it, and GET sends the right bytes for it': {
    fault:
      ({ good }) =>
      async (request, next) => {
        const path = request.path.replace(other, good.root.digest)
        const answer = await next({ ...request, path })
        return { ...answer, headers: { ...answer.headers, 'docker-content-digest': other } }
      },
    refused: damaged('digest-mismatch'),
  },
  'wrong digest header: GET of the tag’s manifest, the bytes are right': {
    fault: ({ good }) => ofManifest(good.root.digest, sendsHeaders({ 'docker-content-digest': other })),
    refused: damaged('digest-mismatch'),
  },
  'wrong digest header: GET of the tag where HEAD says nothing': {
    fault: () => async (request, next) => {
      const digest = request.method === 'HEAD' ? undefined : other
      return sendsHeaders({ 'docker-content-digest': digest })(request, next)
    },
    refused: damaged('digest-mismatch'),
  },
  'wrong digest header: GET of a child’s manifest, the bytes are right': {
    fault: ({ child }) => ofManifest(child.root.digest, sendsHeaders({ 'docker-content-digest': other })),
    refused: damaged('digest-mismatch'),
  },
  'wrong digest header: sha512 of other bytes beside the right sha256': {
    fault: ({ child }) =>
      ofManifest(child.root.digest, sendsHeaders({ 'docker-content-digest': digestOf('other', 'sha512') })),
    refused: damaged('digest-mismatch'),
  },
  'right digest header: sha512 of the same bytes': {
    fault: ({ child }) => {
      const digest = digestOf(rootBytes(child), 'sha512')
      return ofManifest(child.root.digest, sendsHeaders({ 'docker-content-digest': digest }))
    },
  },
  'wrong digest header: a blob, the bytes are right': {
    fault: world => ofBig(world, sendsHeaders({ 'docker-content-digest': other })),
    refused: damaged('digest-mismatch'),
  },
  'wrong digest header: the rest of a blob, the bytes are right': {
    fault: world =>
      ofBig(world, async (request, next) => {
        const answer = await breaksAtByte(HALF, 'ends')(request, next)
        if (request.headers['range'] === undefined) return answer
        return { ...answer, headers: { ...answer.headers, 'docker-content-digest': other } }
      }),
    refused: damaged('digest-mismatch'),
  },
}

/** Bytes that were changed on the way, parts that nobody asked for, pages of somebody else. */
export const ENCODING_ROWS: Rows = {
  'Content-Encoding gzip: a manifest': {
    fault: ({ good }) =>
      ofManifest(
        good.root.digest,
        sends(body => gzipSync(body), { 'content-encoding': 'gzip' }),
      ),
    refused: notAsked,
  },
  'Content-Encoding gzip: a blob': {
    fault: world =>
      ofBig(
        world,
        sends(body => gzipSync(body), { 'content-encoding': 'gzip' }),
      ),
    refused: notAsked,
  },
  'Content-Encoding gzip: a blob in chunks': {
    fault: world =>
      ofBig(world, async (request, next) => {
        const answer = await chunked(body => gzipSync(body))(request, next)
        return { ...answer, headers: { ...answer.headers, 'content-encoding': 'gzip' } }
      }),
    refused: notAsked,
  },
  'Content-Encoding gzip: said of a blob that is sent as it is': {
    fault: world => ofBig(world, sendsHeaders({ 'content-encoding': 'gzip' })),
    check: (world, { report }) => expect(report?.totals.bytesFetched).toBe(bytesOfGood(world)),
  },
  'HTML with 200 in place of everything: a captive portal': {
    fault: () => portal,
    refused: { code: 'bad-answer', hint: /login page/, message: /web page \(HTML\) in place of \S+\/app:latest/ },
  },
  'HTML with 200 in place of a child’s manifest': {
    fault: ({ child }) => ofManifest(child.root.digest, portal),
    refused: { code: 'bad-answer', hint: /login page/, message: /web page/ },
  },
  'HTML with 200 in place of a blob': {
    fault: world => ofBig(world, portal),
    refused: damaged('size-mismatch'),
  },
  'HTML with 200 behind a redirect to another host': {
    fault: async () => {
      const page = '<html>log in</html>'
      const head = `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${page.length}\r\n\r\n`
      const url = await startRawServer(() => Buffer.from(`${head}${page}`))
      return redirects(() => `${url}/welcome`, 302)
    },
    refused: { code: 'bad-answer', hint: /login page/ },
  },
}
