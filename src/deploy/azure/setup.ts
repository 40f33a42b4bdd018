import type { BlobServiceProperties } from '@azure/storage-blob'
import type { CallOptions } from '../../oci/source.ts'
import { notFoundPath, publicPrefix, versionPath } from '../../tree/layout.ts'
import type { AzureCalls } from './calls.ts'
import { refusalOf } from './refusal.ts'
import { type AzureTarget, WEB_CONTAINER } from './target.ts'

/** What the website of an account answers with: for the version check, and where there is nothing. */
const WEBSITE = { index: versionPath.slice(publicPrefix.length), missing: notFoundPath } as const

/** What a new storage account needs. */
export interface AzureSetupPlan {
  readonly account: string
  readonly steps: readonly { readonly why: string; readonly command: string }[]
  /** The command that takes a tree there. */
  readonly deploy: string
}

/** Says what a new storage account needs, as commands of `az`. Capitals are for the user to fill in. */
export function planAzureSetup({ account }: AzureTarget): AzureSetupPlan {
  const id = `$(az storage account show --name ${account} --query id --output tsv)`
  return {
    account,
    steps: [
      {
        why: 'The account. Websites need the kind StorageV2; hierarchical namespaces stay off, since they know no names that end in "/".',
        command: `az storage account create --name ${account} --resource-group GROUP --location LOCATION --kind StorageV2 --sku Standard_LRS --min-tls-version TLS1_2 --allow-blob-public-access false`,
      },
      {
        why: `The website: anyone can read the container ${WEB_CONTAINER}, which this makes, and nothing else.`,
        command: `az storage blob service-properties update --account-name ${account} --static-website true --index-document ${WEBSITE.index} --404-document ${WEBSITE.missing}`,
      },
      {
        why: 'Whoever deploys may write that container and nothing else.',
        command: `az role assignment create --assignee WHO --role 'Storage Blob Data Contributor' --scope "${id}/blobServices/default/containers/"'${WEB_CONTAINER}'`,
      },
      {
        why: 'Where users pull from: this host.',
        command: `az storage account show --name ${account} --query primaryEndpoints.web --output tsv`,
      },
    ],
    deploy: `registrish deploy --azure ${account} --url HOST`,
  }
}

/** What became of one part of an account. */
export interface AzureSetupResult {
  readonly part: 'website' | 'container'
  /** `refused`: it is someone's own and stays. */
  readonly outcome: 'done' | 'unchanged' | 'refused'
  /** A clause that goes on after the name of the part. */
  readonly text: string
  readonly hint?: string
}

/**
 * Switches the website of an account on and makes its container. Other properties of the service are kept, and so is a website with documents of its own.
 * Doing it twice changes nothing. @throws RegistrishError of side `target`.
 */
export async function applyAzureSetup(
  calls: AzureCalls,
  { signal }: CallOptions = {},
): Promise<readonly AzureSetupResult[]> {
  const website = await ensureWebsite(calls, signal)
  return website.outcome === 'refused' ? [website] : [website, await ensureContainer(calls, signal)]
}

async function ensureWebsite(calls: AzureCalls, signal: AbortSignal | undefined): Promise<AzureSetupResult> {
  const { service } = calls
  const part = 'website'
  const { staticWebsite: found } = await calls.run({ doing: 'read the properties of the service', signal }, options =>
    service.getProperties(options),
  )
  const foreign = foreignDocuments(found)
  if (foreign.length > 0) {
    return {
      part,
      outcome: 'refused',
      text: `it has other documents already: ${foreign.join(', ')}`,
      hint: `give the registry an account of its own, or, where nobody needs these, run the second command that registrish setup --azure ${calls.place.account} prints`,
    }
  }
  const isOn = found?.enabled === true && found.indexDocument === WEBSITE.index
  if (isOn && found.errorDocument404Path === WEBSITE.missing)
    return { part, outcome: 'unchanged', text: 'as it should be' }
  // What is not named is kept (REST API, "Set Blob Service Properties").
  const staticWebsite = { enabled: true, indexDocument: WEBSITE.index, errorDocument404Path: WEBSITE.missing }
  await calls.run({ doing: 'switch the website on', signal }, options =>
    service.setProperties({ staticWebsite }, options),
  )
  return { part, outcome: 'done', text: 'switched on' }
}

function foreignDocuments(found: BlobServiceProperties['staticWebsite']): readonly string[] {
  if (found?.enabled !== true) return []
  const { indexDocument = '', errorDocument404Path = '', defaultIndexDocumentPath = '' } = found
  return [
    ...(['', WEBSITE.index].includes(indexDocument) ? [] : [indexDocument]),
    ...(['', WEBSITE.missing].includes(errorDocument404Path) ? [] : [errorDocument404Path]),
    ...(defaultIndexDocumentPath === '' ? [] : [defaultIndexDocumentPath]),
  ]
}

/** Azure makes it with the website; where that takes a moment, it is there already when it is to be made. */
async function ensureContainer(calls: AzureCalls, signal: AbortSignal | undefined): Promise<AzureSetupResult> {
  const part = 'container'
  try {
    await calls.run({ doing: 'make the container', signal }, options => calls.container.create(options))
    return { part, outcome: 'done', text: 'created' }
  } catch (error) {
    if (refusalOf(error)?.code === 'ContainerAlreadyExists') return { part, outcome: 'unchanged', text: 'is there' }
    throw error
  }
}
