import {
  type ByHost,
  CACHE_RULES,
  DOTTED_TYPE_RULES,
  ENCODING_RULES,
  headerRules,
  MISSING_RULES,
  storedRules,
  TYPE_RULES,
  VERSION_RULES,
  WRITE_RULES,
} from './fix-rules.ts'
import type { CheckName } from './report.ts'

/** What to change in general words, and on hosts that want it otherwise. */
interface Fix {
  readonly always: string
  readonly on?: ByHost
  /** Whether the rules that registrish writes for a host bring it about. */
  readonly emitted: boolean
}

const REFUSED: ByHost = {
  'github-pages': 'GitHub Pages sets no types: choose another host',
}

/** The way out of what each check finds; docs/doctor.md is made of it too. */
export const FIXES: Readonly<Record<CheckName, Fix>> = {
  connection: { always: 'check the name, the port, the firewall, and that the server runs', emitted: false },
  tls: {
    always:
      "get a certificate for this name (any ACME client, or the host's own), with its chain; or put the authority into each client",
    on: {
      s3: "the store's certificate has room for one label: take a bucket without dots, or a CDN with a name of your own",
    },
    emitted: false,
  },
  'plain-http': {
    always: 'put TLS before it: a proxy such as Caddy gets certificates by itself',
    on: { s3: "ask the bucket's own host by HTTPS; website endpoints speak plain HTTP only" },
    emitted: false,
  },
  version: {
    always: 'answer /v2/ with 200 and {}',
    on: {
      ...VERSION_RULES,
      s3: 'put an object of no bytes with the key v2/, which anyone may read, as registrish deploy and setup do',
      azure: {
        text: 'set the index document',
        rule: 'az storage blob service-properties update --account-name ACCOUNT --static-website true --index-document index.json',
      },
    },
    emitted: true,
  },
  head: {
    always: 'let HEAD through to the files as GET is; caches and rules must not answer it by themselves',
    emitted: true,
  },
  'tag-type': types('give each manifest its media type as Content-Type: a rule by path, never by ending'),
  'digest-type': types(
    'give manifests by digest their media type too: a rule for manifests/sha256:…, by digest where types differ',
  ),
  'child-type': types('images and indexes share a folder: a rule for each digest, or for the fewer of the two kinds'),
  'manifest-bytes': {
    always:
      'publish the tree anew, whole; then look for what changes answers on the way (a proxy, a minifier, a page for logging in) and purge caches',
    emitted: false,
  },
  'digest-header': {
    always: 'add Docker-Content-Digest where the host can; purge caches where it is wrong',
    on: {
      ...headerRules('Docker-Content-Digest', 'DIGEST'),
      s3: {
        text: 'S3 keeps no such header, and by tag clients do without; a function of CloudFront adds it for digests',
        rule: 'registrish setup --provider cloudfront',
      },
      azure: 'Azure has no such header without a CDN before it; clients do without',
      gcs: 'Google Cloud Storage has no such header without a load balancer before it; clients do without',
    },
    emitted: true,
  },
  length: {
    always: 'switch off chunked answers for /v2/: no compression, no body filters, no proxy that buffers nothing',
    emitted: true,
  },
  encoding: {
    always: 'switch compression off for /v2/, and labels by ending; Cache-Control: no-transform tells proxies',
    on: {
      ...ENCODING_RULES,
      s3: 'upload without Content-Encoding',
      cloudfront: { text: 'in the behaviour', rule: 'Compress: false' },
    },
    emitted: true,
  },
  'blob-bytes': {
    always: 'publish the tree anew (registrish verify says whether it is whole), and purge caches',
    emitted: false,
  },
  range: {
    always: 'let the host serve blobs as files, or pass Range on to what does',
    on: {
      apache: { text: 'in the site, and no filter on blobs', rule: 'MaxRanges unlimited' },
      cloudflare: 'Pages ignores ranges where it does not cache: R2 with a Worker answers them',
    },
    emitted: true,
  },
  missing: {
    always:
      'answer 404 with {"errors":[{"code":"MANIFEST_UNKNOWN","message":"…"}]} as application/json to what is not there',
    on: {
      ...MISSING_RULES,
      s3: 'let anyone list the bucket, so that missing keys are 404 and not 403, as registrish setup does; the XML cannot be changed without a CDN',
      cloudfront: {
        text: 'CustomErrorResponses for 403 and 404, both as 404 with /v2/_404.json',
        rule: 'registrish setup --provider cloudfront',
      },
      gcs: 'give allUsers roles/storage.objectViewer, so that missing objects are 404; the XML cannot be changed',
      azure: {
        text: 'set the error document',
        rule: 'az storage blob service-properties update --account-name ACCOUNT --static-website true --404-document v2/_404.json',
      },
      netlify: { text: 'leave out the rule', rule: '/* /index.html 200' },
      firebase: 'leave out the rewrite of ** to /index.html',
    },
    emitted: true,
  },
  redirect: { always: 'have redirects end at HTTPS addresses that everyone reaches', emitted: true },
  'dotted-tag': types('no rule of yours or of the host may go by the ending of a name under /v2/', DOTTED_TYPE_RULES),
  case: {
    always: 'keep the tree on a file system that tells case apart, or let no two tags differ by case only',
    emitted: false,
  },
  'tag-cache': {
    always:
      'Cache-Control: public, max-age=60 for manifests by tag; purge what moved after each deploy (registrish deploy --url says which addresses)',
    on: { ...CACHE_RULES, ...storedRules('the lifetime') },
    emitted: true,
  },
  namespace: { always: 'leave queries out of rules and of cache keys', emitted: true },
  referrers: {
    always: 'serve /v2/<name>/referrers/<digest> as application/vnd.oci.image.index.v1+json, or 404 for all of them',
    on: { ...headerRules('Content-Type', 'TYPE'), ...TYPE_RULES, ...storedRules('the type') },
    emitted: true,
  },
  colon: { always: 'decode paths before rules look at them, or write (?::|%3A) in rules', emitted: true },
  'tags-list': { always: 'publish v2/<name>/tags/list: registrish emit and deploy make it anew', emitted: true },
  write: {
    always: 'answer 405 to all but GET and HEAD',
    on: WRITE_RULES,
    emitted: true,
  },
}

function types(always: string, own: ByHost = TYPE_RULES): Fix {
  const on = { ...headerRules('Content-Type', 'TYPE'), ...own, ...storedRules('the type'), ...REFUSED }
  return { always, on, emitted: true }
}
