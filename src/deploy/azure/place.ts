/** Which container of which storage account, and where. */
export interface AzurePlace {
  readonly account: string
  /** `$web`: what the static website of the account serves. */
  readonly container: string
  /** URL of the account's blob service, without a slash at the end. Default: as the connection string says, else `https://ACCOUNT.blob.core.windows.net`. */
  readonly endpoint?: string
}

/** What a container is called in messages. */
export function titleOf({ account, container }: AzurePlace): string {
  return `azure://${account}/${container}`
}
