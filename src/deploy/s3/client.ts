import type { S3Client } from '@aws-sdk/client-s3'
import { type KnownPlace, knownPlace } from './known-place.ts'
import { type Base, isPathStyle, type S3Place } from './place.ts'
import { canonicalQuery, createSigner } from './sign.ts'
import { createSdkHandler, encode, type SdkRequest, type StoreRequest, type Transport, urlOf } from './transport.ts'

/** The SDK's module. */
export type Sdk = typeof import('@aws-sdk/client-s3')

/** A request by the small path, to be signed. */
export interface SmallRequest extends Omit<StoreRequest, 'url'> {
  /** Absent: the bucket itself. */
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
}

/** The SDK, loaded, and its client for one store. */
export interface LoadedSdk {
  readonly sdk: Sdk
  readonly client: S3Client
}

/** A way to sign requests that costs much less than the SDK's, and behind it the SDK for all that is rare. */
export interface S3Connection {
  /** The SDK, loaded when it is first needed. */
  load(): Promise<LoadedSdk>
  /** Signs as the SDK would. `headers` must hold `x-amz-content-sha256`. */
  sign(request: SmallRequest): Promise<StoreRequest>
  /** Moves to the bucket's own region. */
  move(region: string): Promise<void>
  /** Asks for new credentials, since those at hand have expired. */
  renew(): Promise<void>
  /** Sets the clock that signatures are dated by, in ms since the epoch. */
  setClock(now: number): void
  /** Where the bucket is, as the SDK makes it out. */
  base(): Base
  /** Lets go of the SDK's client. */
  close(): void
}

/**
 * Makes a connection; nothing is sent to the store. The SDK is loaded only where it alone knows where the bucket is and who asks.
 * Throws what the SDK throws where there are no credentials.
 */
export async function openS3Client(place: S3Place, transport: Transport): Promise<S3Connection> {
  const { bucket } = place
  let clock = 0
  let loading: Promise<LoadedSdk> | undefined
  let loaded: LoadedSdk | undefined
  const load = async (): Promise<LoadedSdk> => {
    loading ??= loadSdk(place, transport)
    if (loaded === undefined) {
      loaded = await loading
      loaded.client.config.systemClockOffset = clock
    }
    return loaded
  }
  let { base, credentials } = knownPlace(place) ?? (await askSdk(await load(), bucket))
  const sign = createSigner()
  return {
    load,
    base: () => base,
    async sign({ method, key = '', query = {}, headers, body, signal }) {
      const { host, origin, pathname } = base.url
      const path = key === '' ? pathname : `${pathname.replace(/\/$/, '')}/${key.split('/').map(encode).join('/')}`
      const search = canonicalQuery(query)
      const signable = { method, path, query: search, headers: { host, ...headers } }
      const now = Date.now() + (loaded?.client.config.systemClockOffset ?? clock)
      const signed = sign(signable, { credentials: await credentials(), region: base.region, now })
      const url = new URL(`${origin}${path}${search === '' ? '' : `?${search}`}`)
      return { method, url, headers: signed, ...(body === undefined ? {} : { body }), signal }
    },
    async move(region) {
      if (base.region === region) return
      const { sdk, client } = await load()
      client.config.region = async () => region
      base = await learnBase(sdk, client, bucket)
    },
    async renew() {
      const { client } = await load()
      await client.config.credentials({ forceRefresh: true })
      credentials = async () => client.config.credentials()
    },
    setClock(now) {
      clock = now - Date.now()
      if (loaded !== undefined) loaded.client.config.systemClockOffset = clock
    },
    close: () => loaded?.client.destroy(),
  }
}

/** @internal for the tests, which hold what is known without it against it: loads the SDK and makes its client; nothing is sent. */
export async function loadSdk(place: S3Place, transport: Transport): Promise<LoadedSdk> {
  // Said in the engines of package.json; the SDK would say it on every run.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  const sdk = await import('@aws-sdk/client-s3')
  return { sdk, client: await makeClient(sdk, place, transport) }
}

/** @internal for the tests: what {@link knownPlace} cannot tell. */
export async function askSdk({ sdk, client }: LoadedSdk, bucket: string): Promise<KnownPlace> {
  return { base: await learnBase(sdk, client, bucket), credentials: async () => client.config.credentials() }
}

async function makeClient(sdk: Sdk, place: S3Place, transport: Transport): Promise<S3Client> {
  const { endpoint, region } = place
  const make = (known: string | undefined): S3Client =>
    new sdk.S3Client({
      followRegionRedirects: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      maxAttempts: 1,
      expectContinueHeader: false,
      requestHandler: createSdkHandler(transport),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(known === undefined ? {} : { region: known }),
      ...(isPathStyle(place) ? { forcePathStyle: true } : {}),
    })
  const client = make(region)
  const named = await client.config.region().catch(() => undefined)
  const chosen = named === undefined ? make('us-east-1') : client
  leavePartsUnsigned(chosen)
  return chosen
}

/** TLS protects the bytes of a part already; hashing them for the signature too would cost as much again as hashing them for their digest. */
function leavePartsUnsigned(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async args => {
        const { protocol, headers } = args.request as { readonly protocol: string; readonly headers: HeaderBag }
        if (commandName === 'UploadPartCommand' && protocol === 'https:') {
          headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
        }
        return next(args)
      },
    { step: 'build', name: 'registrishUnsignedParts' },
  )
}

type HeaderBag = Record<string, string>

/** Has the SDK make a request that is not sent: where the bucket is depends on rules of which it knows hundreds. */
async function learnBase(sdk: Sdk, client: S3Client, bucket: string): Promise<Base> {
  let base: Base | undefined
  const command = new sdk.HeadBucketCommand({ Bucket: bucket })
  command.middlewareStack.add(
    () =>
      async ({ request }) => {
        const { protocol, hostname, port, path } = request as SdkRequest
        const url = urlOf({
          method: 'HEAD',
          protocol,
          hostname,
          path,
          headers: {},
          ...(port === undefined ? {} : { port }),
        })
        const scope = (request as SdkRequest).headers['authorization']
        const region = /Credential=[^,]*\/\d{8}\/([^/]+)\/s3\//.exec(scope ?? '')?.[1] ?? (await client.config.region())
        base = { url, region, isHost: hostname.startsWith(`${bucket}.`) }
        return { response: {}, output: { $metadata: {} } }
      },
    // After the signature, which names the region.
    { step: 'finalizeRequest', priority: 'low', name: 'registrishLearnBase' },
  )
  await client.send(command)
  if (base === undefined) throw new Error('the SDK made no request')
  return base
}
