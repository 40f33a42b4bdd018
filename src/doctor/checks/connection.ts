import { reachOf } from '../../http/local-address.ts'
import { type Check, type Consequences, means, passed, skipped, trouble } from '../check.ts'

/** Whether anybody answers. */
export const connection: Check = {
  name: 'connection',
  must: 'The host has an address and accepts connections.',
  why: 'Nothing can be pulled from a host that nobody reaches.',
  judge: ({ origin, failure }) =>
    failure?.of === 'connection'
      ? trouble({ text: failure.text, seen: 'no connection', clients: means('fails', 'cannot connect') })
      : passed(`${origin.host} answers`),
}

/** Whether its certificate is right. */
export const tls: Check = {
  name: 'tls',
  must: 'The certificate is for the name that users type, is valid today, and is signed by an authority that clients know.',
  why: 'Clients refuse any other, unless each of them is told not to look.',
  judge({ origin, failure }) {
    if (failure?.of === 'tls')
      return trouble({
        text: failure.text,
        needed: `a certificate for ${origin.hostname}`,
        clients: {
          ...means('fails', 'refuses the certificate'),
          // Docker takes what is on this machine for insecure without being told (its registry/config.go).
          ...(reachOf(origin.hostname) === 'loopback'
            ? means('caveat', 'looks at no certificate of this machine', ['docker'])
            : {}),
        },
      })
    if (failure !== undefined) return skipped('there is no connection')
    return origin.protocol === 'https:' ? passed('the certificate is right') : skipped('no TLS is spoken')
  },
}

/** Whether it is encrypted at all. */
export const plainHttp: Check = {
  name: 'plain-http',
  must: 'HTTPS is spoken.',
  why: 'Clients speak plain HTTP to this machine only, some not even there, unless each of them is told to.',
  judge({ origin, failure, plainAsked = false }) {
    if (failure !== undefined) return skipped('there is no connection')
    if (origin.protocol === 'https:') return passed('HTTPS is spoken')
    return trouble({
      text: `${origin.host} speaks plain HTTP`,
      seen: origin.origin,
      needed: `https://${origin.host}`,
      clients: reachOf(origin.hostname) === 'loopback' ? onLoopback(origin) : elsewhere(origin, plainAsked),
    })
  },
}

function onLoopback({ hostname }: URL): Consequences {
  return {
    ...means('caveat', 'needs --tls-verify=false', ['podman']),
    ...(hostname === 'localhost'
      ? {}
      : means('caveat', 'needs --plain-http where the host is not called localhost', ['oras'])),
    ...means('caveat', 'needs --plain-http', ['helm']),
  }
}

/** Who asks for plain HTTP means to configure the clients. */
function elsewhere({ hostname, host }: URL, isAsked: boolean): Consequences {
  const verdict = isAsked ? 'caveat' : 'fails'
  const crane: Consequences =
    reachOf(hostname) === 'private' ? {} : means(verdict, 'until it is told --insecure', ['crane'])
  return {
    ...means(verdict, `until "insecure-registries": ["${host}"] stands in its daemon.json`, ['docker']),
    ...means(verdict, 'until a hosts.toml says http://', ['containerd']),
    ...means(verdict, 'until it is told --tls-verify=false or insecure = true', ['podman']),
    ...crane,
    ...means(verdict, 'until it is told --plain-http', ['oras', 'helm']),
  }
}
