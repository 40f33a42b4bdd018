import { type AzureTarget, parseAzureTarget, WEB_CONTAINER } from '../../deploy/azure/target.ts'
import { RegistrishError } from '../../errors.ts'
import { textOf } from '../arguments.ts'
import type { Arguments } from '../command.ts'
import type { TargetKind } from './target.ts'

/** The flags of a container. */
export const AZURE_FLAGS: TargetKind['flags'] = [
  {
    name: 'azure',
    type: 'string',
    value: 'ACCOUNT',
    describe: 'storage account of Azure whose static website serves the registry',
  },
  {
    name: 'azure-container',
    type: 'string',
    value: 'CONTAINER',
    describe: 'container of the account; default: $web, which its website serves',
  },
  {
    name: 'azure-endpoint',
    type: 'string',
    value: 'URL',
    describe:
      'where its blob service is; default: as AZURE_STORAGE_CONNECTION_STRING says, else ACCOUNT.blob.core.windows.net',
  },
]

/** Containers of Azure Blob Storage. */
export const azure: TargetKind = {
  flags: AZURE_FLAGS,
  parse(account, args) {
    const target = parseAccount(account, args)
    const flags = flagsOf(target)
    return {
      kind: 'store',
      flags,
      notes: target.notes,
      setup: `registrish setup ${flags}`,
      async open(options) {
        const { openAzureStore } = await import('../../deploy/azure/store.ts')
        const { notes, ...place } = target
        return openAzureStore({ ...place, ...options })
      },
    }
  },
}

/** The container that --azure names, for `setup`. @throws RegistrishError `usage` where there is none, or it makes no sense. */
export function containerOf(args: Arguments): AzureTarget {
  const account = textOf(args, 'azure')
  if (account !== undefined) return parseAccount(account, args)
  throw new RegistrishError('usage', 'say which account: --azure ACCOUNT', { hint: 'for example --azure myregistry' })
}

function parseAccount(account: string, args: Arguments): AzureTarget {
  return parseAzureTarget({
    account,
    container: textOf(args, 'azure-container'),
    endpoint: textOf(args, 'azure-endpoint'),
  })
}

function flagsOf({ account, container, endpoint }: AzureTarget): string {
  return [
    `--azure ${account}`,
    ...(container === WEB_CONTAINER ? [] : [`--azure-container ${container}`]),
    ...(endpoint === undefined ? [] : [`--azure-endpoint ${endpoint}`]),
  ].join(' ')
}
