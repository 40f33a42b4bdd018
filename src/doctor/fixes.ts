import type { CheckName } from './report.ts'

/** Hosts for which `registrish emit` writes the rules. */
const EMITTED: Readonly<Record<string, string>> = {
  nginx: 'nginx',
  apache: 'apache',
  caddy: 'caddy',
  lighttpd: 'lighttpd',
}
/** Hosts that are published as a whole. */
const DEPLOYED: Readonly<Record<string, string>> = {
  netlify: 'registrish deploy --netlify SITE',
  vercel: 'registrish deploy --vercel PROJECT',
  firebase: 'registrish deploy --firebase PROJECT',
  cloudflare:
    'registrish deploy --cloudflare-pages PROJECT (or emit --host cloudflare-workers, with the content in R2)',
}
/** Stores: types and lifetimes are kept beside each object. */
const STORED: Readonly<Record<string, string>> = {
  s3: 'registrish deploy --s3 BUCKET --check-headers',
  cloudfront: 'registrish deploy --s3 BUCKET --check-headers',
  azure: 'registrish deploy --azure ACCOUNT --check-headers',
  gcs: 'registrish deploy --gcs BUCKET --check-headers',
  bunny: 'registrish deploy --bunny ZONE',
}

/** A sentence, or one that ends in a rule or command to be taken as it stands. */
type Words = string | { readonly text: string; readonly rule: string }

/** What to change in general words, and on hosts that want it otherwise. */
interface Fix {
  readonly always: string
  readonly on?: Readonly<Record<string, Words>>
  /** Whether the rules that registrish writes for a host bring it about. */
  readonly emitted: boolean
}

/** Where a type has a directive of its own, which a header beside it would double. */
const TYPE_RULES: Readonly<Record<string, Words>> = {
  nginx: { text: 'in the server block', rule: 'location = PATH { types {} default_type TYPE; }' },
  apache: { text: 'in the site', rule: '<Location "PATH"> ForceType TYPE </Location>' },
  lighttpd: { text: 'in the configuration', rule: '$HTTP["url"] == "PATH" { mimetype.assign = ("" => "TYPE") }' },
}

const REFUSED: Readonly<Record<string, Words>> = {
  'github-pages': 'GitHub Pages sets no types: choose another host',
}

/** @internal The way out of what each check finds; docs/doctor.md is made of it too. */
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
      nginx: {
        text: 'in the server block',
        rule: 'location = /v2/ { types {} default_type application/json; return 200 "{}"; }',
      },
      apache: { text: 'for the folder v2/', rule: 'DirectoryIndex index.json' },
      caddy: { text: 'in the site', rule: 'respond /v2/ "{}" 200' },
      s3: 'put an object of no bytes with the key v2/, which anyone may read, as registrish deploy and setup do',
      azure: {
        text: 'set the index document',
        rule: 'az storage blob service-properties update --static-website --index-document index.json',
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
      nginx: { text: 'in the location of /v2/', rule: 'gzip off;' },
      apache: { text: 'for /v2/, with SetEnv no-gzip', rule: 'RemoveEncoding .gz .tgz .Z .br .bz2 .zst' },
      caddy: 'leave "encode" out for /v2/*',
      lighttpd: { text: 'for /v2/', rule: 'deflate.mimetypes = ()' },
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
      apache: 'MaxRanges unlimited, and no filter on blobs',
      cloudflare: 'Pages ignores ranges where it does not cache: R2 with a Worker answers them',
    },
    emitted: true,
  },
  missing: {
    always:
      'answer 404 with {"errors":[{"code":"MANIFEST_UNKNOWN","message":"…"}]} as application/json to what is not there',
    on: {
      nginx: { text: 'in the server block', rule: 'error_page 404 /404.json;' },
      apache: { text: 'in the site', rule: 'ErrorDocument 404 /404.json' },
      caddy: {
        text: 'in the site',
        rule: 'handle_errors { header Content-Type application/json; respond `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}` {err.status_code} }',
      },
      s3: 'let anyone list the bucket, so that missing keys are 404 and not 403, as registrish setup does; the XML cannot be changed without a CDN',
      cloudfront: {
        text: 'CustomErrorResponses for 403 and 404, both as 404 with /v2/_404.json',
        rule: 'registrish setup --provider cloudfront',
      },
      gcs: 'give allUsers roles/storage.objectViewer, so that missing objects are 404; the XML cannot be changed',
      azure: {
        text: 'set the error document',
        rule: 'az storage blob service-properties update --static-website --404-document v2/_404.json',
      },
      netlify: { text: 'leave out the rule', rule: '/* /index.html 200' },
      firebase: 'leave out the rewrite of ** to /index.html',
    },
    emitted: true,
  },
  redirect: { always: 'have redirects end at HTTPS addresses that everyone reaches', emitted: true },
  'dotted-tag': types('no rule of yours or of the host may go by the ending of a name under /v2/'),
  case: {
    always: 'keep the tree on a file system that tells case apart, or let no two tags differ by case only',
    emitted: false,
  },
  'tag-cache': {
    always:
      'Cache-Control: public, max-age=60 for manifests by tag; purge what moved after each deploy (registrish deploy --url says which addresses)',
    emitted: true,
  },
  namespace: { always: 'leave queries out of rules and of cache keys', emitted: true },
  referrers: {
    always: 'serve /v2/<name>/referrers/<digest> as application/vnd.oci.image.index.v1+json, or 404 for all of them',
    on: { ...headerRules('Content-Type', 'TYPE'), ...TYPE_RULES, ...stored('the type') },
    emitted: true,
  },
  colon: { always: 'decode paths before rules look at them, or write (?::|%3A) in rules', emitted: true },
  'tags-list': { always: 'publish v2/<name>/tags/list: registrish emit and deploy make it anew', emitted: true },
  write: {
    always: 'answer 405 to all but GET and HEAD',
    on: {
      apache: { text: 'for /v2/', rule: '<LimitExcept GET HEAD> Require all denied </LimitExcept>' },
      caddy: { text: 'in the site', rule: '@write not method GET HEAD; respond @write 405' },
    },
    emitted: true,
  },
}

/** What stands in a rule for PATH, TYPE and DIGEST. */
export interface RuleValues {
  readonly path?: string | undefined
  readonly type?: string | undefined
  readonly digest?: string | undefined
}

/** Only what follows its grammar gets into a rule that somebody may paste. */
function fillIn(rule: string, { path, type, digest }: RuleValues): string {
  const isPlain = (text: string | undefined): text is string => text !== undefined && /^[\w./:+-]+$/.test(text)
  return rule
    .replaceAll('PATH', isPlain(path) ? path : 'PATH')
    .replaceAll('TYPE', isPlain(type) ? type : 'TYPE')
    .replaceAll('DIGEST', isPlain(digest) ? digest : 'DIGEST')
}

/** What to change where a check found trouble, on the host that was recognised or in general. */
export function fixOf(check: CheckName, host: string | undefined, values: RuleValues = {}): string {
  const { always, on = {}, emitted } = FIXES[check]
  const words = fillIn(formatWords((host === undefined ? undefined : on[host]) ?? always), values)
  const ours = host === undefined || !emitted ? undefined : commandOf(host)
  return ours === undefined ? words : `${words} (${ours})`
}

/** @internal Words in one line; `code` sets off what is to be taken as it stands. */
export function formatWords(words: Words, code: (rule: string) => string = rule => rule): string {
  return typeof words === 'string' ? words : `${words.text}: ${code(words.rule)}`
}

/** What does it all on a host, if something does. */
function commandOf(host: string): string | undefined {
  const emitter = EMITTED[host]
  if (emitter !== undefined) return `registrish emit --host ${emitter} writes that rule`
  const deploy = DEPLOYED[host]
  return deploy === undefined ? undefined : `done by ${deploy}`
}

function types(always: string): Fix {
  return {
    always,
    on: { ...headerRules('Content-Type', 'TYPE'), ...TYPE_RULES, ...stored('the type'), ...REFUSED },
    emitted: true,
  }
}

/** The rule that gives one path a header, in the tongue of each host. */
function headerRules(name: string, value: string): Readonly<Record<string, Words>> {
  const inJson = `{ "source": "PATH", "headers": [{ "key": "${name}", "value": "${value}" }] }`
  return {
    nginx: { text: 'in a "location = PATH"', rule: `add_header ${name} "${value}" always;` },
    apache: { text: 'in the site', rule: `<Location "PATH"> Header always set ${name} "${value}" </Location>` },
    caddy: { text: 'in the site', rule: `header PATH ${name} "${value}"` },
    lighttpd: {
      text: 'in the configuration',
      rule: `$HTTP["url"] == "PATH" { setenv.set-response-header += ("${name}" => "${value}") }`,
    },
    netlify: { text: 'in netlify.toml', rule: `headers = [{ for = "PATH", values = { ${name} = "${value}" } }]` },
    vercel: { text: 'in vercel.json, below "headers"', rule: inJson },
    firebase: { text: 'in firebase.json, below "headers"', rule: inJson },
    cloudflare: { text: 'in _headers, two lines below the path PATH', rule: `! ${name}, ${name}: ${value}` },
  }
}

function stored(what: string): Readonly<Record<string, Words>> {
  const text = `${what} is kept beside each object`
  return Object.fromEntries(Object.entries(STORED).map(([host, rule]) => [host, { text, rule }]))
}
