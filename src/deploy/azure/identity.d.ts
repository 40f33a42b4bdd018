/* What is used of a package that users may install beside registrish: it finds out who is logged in. */

declare module '@azure/identity' {
  export class DefaultAzureCredential {
    getToken(
      scopes: string | string[],
      options?: object,
    ): Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>
  }
}
