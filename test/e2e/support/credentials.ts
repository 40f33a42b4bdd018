/** A registry's user. */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/** The text of a `config.json` of docker's client (also podman's `auth.json`) with the credentials by host. */
export function credentialFile(byHost: Readonly<Record<string, Credentials>>): string {
  const entries = Object.entries(byHost).map(([host, { username, password }]) => {
    return [host, { auth: Buffer.from(`${username}:${password}`).toString('base64') }]
  })
  return `${JSON.stringify({ auths: Object.fromEntries(entries) }, null, 2)}\n`
}
