import { startAzureWebsite } from './support/azure-website.ts'
import { startAzurite } from './support/azurite.ts'
import { describePulls } from './support/client-pulls.ts'
import { done } from './support/registrish.ts'

/* Real images are deployed to azurite by the command line; then every client pulls them from a website like that of Azure. */

describePulls(
  'a website like that of Azure',
  ['azurite-blob'],
  async root => {
    const azurite = await startAzurite()
    const place = ['--azure', azurite.account, '--azure-endpoint', azurite.endpoint]
    await done(['setup', ...place, '--apply'], { env: azurite.env })
    const website = await startAzureWebsite(azurite.service)
    await done(['deploy', '--root', root, ...place, '--url', website.host, '--plain-http'], { env: azurite.env })
    const close = async (): Promise<void> => {
      await website.close()
      await azurite.stop()
    }
    return { host: website.host, close }
  },
  {
    images: ['busybox:latest', 'multi:latest', 'team/tools/busybox:latest', 'signed:latest'],
    byDigest: [],
    also: ['big'],
  },
)
