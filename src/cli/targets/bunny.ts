import { parseBunnyTarget } from '../../deploy/bunny/target.ts'
import { RegistrishError } from '../../errors.ts'
import { textOf } from '../arguments.ts'
import type { TargetKind } from './target.ts'

/** Storage zones of bunny.net. */
export const bunny: TargetKind = {
  flags: [
    {
      name: 'bunny',
      type: 'string',
      value: 'ZONE',
      describe: 'storage zone of bunny.net; BUNNY_STORAGE_PASSWORD is its password',
    },
    {
      name: 'bunny-region',
      type: 'string',
      value: 'REGION',
      describe: 'main region of the zone: de, uk, ny, la, sg, se, br, jh, syd; default: BUNNY_STORAGE_REGION, else de',
    },
    {
      name: 'bunny-endpoint',
      type: 'string',
      value: 'URL',
      describe: 'where its storage API is, if not at the endpoint of a region',
    },
  ],
  parse(zone, args) {
    const [region, endpoint] = [textOf(args, 'bunny-region'), textOf(args, 'bunny-endpoint')]
    const place = parseBunnyTarget({
      zone,
      endpoint,
      region: region ?? (endpoint === undefined ? variable('BUNNY_STORAGE_REGION') : undefined),
    })
    return {
      kind: 'store',
      flags: [
        `--bunny ${place.zone}`,
        ...(region === undefined ? [] : [`--bunny-region ${region}`]),
        ...(endpoint === undefined ? [] : [`--bunny-endpoint ${place.endpoint}`]),
      ].join(' '),
      notes: [
        'clients pull from a pull zone before the storage zone: docs/hosts/bunny.md says what it needs; tell deploy its host with --url',
      ],
      setup: 'docs/hosts/bunny.md',
      unproven: 'nothing of bunny.net runs without an account: all of this is by its documentation',
      async open(options) {
        const password = passwordOf(place.zone)
        const { openBunnyStore } = await import('../../deploy/bunny/store.ts')
        return openBunnyStore({ ...place, ...options, password })
      },
    }
  },
}

/** By the first of the names that people and bunny.net's own examples use. */
const PASSWORDS = ['BUNNY_STORAGE_PASSWORD', 'BUNNY_STORAGE_API_KEY', 'BUNNY_ACCESS_KEY']

function passwordOf(zone: string): string {
  const password = PASSWORDS.map(variable).find(value => value !== undefined)
  if (password !== undefined) return password
  throw new RegistrishError('unauthorized', `there is no password for bunny://${zone}`, {
    side: 'target',
    hint: 'set BUNNY_STORAGE_PASSWORD to the password of the storage zone: dashboard, Storage, the zone, Access',
  })
}

function variable(name: string): string | undefined {
  const value = process.env[name]
  return value === '' ? undefined : value
}
