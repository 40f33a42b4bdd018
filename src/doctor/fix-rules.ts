/** A rule or command that is to be taken as it stands, where the text before it says. PATH, TYPE and DIGEST stand for what a check found. */
export interface Rule {
  readonly text: string
  /** Lines of configuration; a block has a line for each directive, since Apache and Caddy take no other. */
  readonly rule: string
  /** How a path is written where the host takes some of its characters for more than themselves. */
  readonly writePath?: (path: string) => string
}

/** @internal A sentence, or a rule. */
export type Words = string | Rule

/** What to change, by the name of the host. */
export type ByHost = Readonly<Record<string, Words>>

/** Stores: types and lifetimes are kept beside each object. */
const STORED: Readonly<Record<string, string>> = {
  s3: 'registrish deploy --s3 BUCKET --check-headers',
  cloudfront: 'registrish deploy --s3 BUCKET --check-headers',
  azure: 'registrish deploy --azure ACCOUNT --check-headers',
  gcs: 'registrish deploy --gcs BUCKET --check-headers',
  bunny: 'registrish deploy --bunny ZONE',
}

/** What a store is to be told of each object. */
export function storedRules(what: string): ByHost {
  const text = `${what} is kept beside each object`
  return Object.fromEntries(Object.entries(STORED).map(([host, rule]) => [host, { text, rule }]))
}

/** The rule that gives one path a header, whatever wider rules say, in the tongue of each host. */
export function headerRules(name: string, value: string): ByHost {
  const inJson = `{ "source": "PATH", "headers": [{ "key": "${name}", "value": "${value}" }] }`
  return {
    nginx: { text: 'in a "location = PATH"', rule: `add_header ${name} "${value}";` },
    // What was set with "always" is a header beside the other, which the rule would double.
    apache: {
      text: 'in the site, with mod_headers',
      rule: `<Location "PATH">\n  Header always unset ${name}\n  Header set ${name} "${value}"\n</Location>`,
    },
    // Of several rules the wider one may come last; what is deferred comes after all of them.
    caddy: { text: 'in the site', rule: `header PATH {\n  ${name} "${value}"\n  defer\n}` },
    lighttpd: {
      text: 'in the configuration, with mod_setenv',
      rule: `$HTTP["url"] == "PATH" {\n  setenv.set-response-header += ("${name}" => "${value}")\n}`,
    },
    netlify: {
      text: 'in netlify.toml',
      rule: `[[headers]]\n  for = "PATH"\n  [headers.values]\n    ${name} = "${value}"`,
    },
    vercel: { text: 'in vercel.json, in the list "headers"', rule: inJson, writePath: escapedInJson },
    firebase: { text: 'in firebase.json, in the list "headers" of "hosting"', rule: inJson },
    // Of two entries for a path the first is dropped.
    cloudflare: {
      text: 'in _headers, the lines below the path if it is there already',
      rule: `PATH\n  ! ${name}\n  ${name}: ${value}`,
      writePath: withoutPlaceholder,
    },
  }
}

const FRESH = 'public, max-age=60'

/** How long a tag may be kept. nginx would say that beside what `expires` says. */
export const CACHE_RULES: ByHost = {
  ...headerRules('Cache-Control', FRESH),
  nginx: { text: 'in a "location = PATH"', rule: `expires off;\nadd_header Cache-Control "${FRESH}";` },
}

/** Vercel takes `:abc` for a parameter. */
function escapedInJson(path: string): string {
  return path.replace(/[:+]/g, '\\\\$&')
}

/** Cloudflare takes `:abc` for a placeholder, but not after a `*`, which here stands for nothing. */
function withoutPlaceholder(path: string): string {
  return path.replace(/:(?=[A-Za-z])/, ':*')
}

/** Where a type has a directive of its own, which a header beside it would double. */
export const TYPE_RULES: ByHost = {
  nginx: { text: 'in the server block', rule: 'location = PATH { types {} default_type TYPE; }' },
  apache: { text: 'in the site', rule: '<Location "PATH">\n  ForceType TYPE\n</Location>' },
  lighttpd: {
    text: 'in the configuration',
    rule: '$HTTP["url"] == "PATH" {\n  mimetype.assign = ("" => "TYPE")\n}',
  },
}

/** In a section Apache forgets it as soon as another section matches too, so it stands beside them. */
const UNLABELLED = { text: 'in the <VirtualHost> of the site', rule: 'RemoveEncoding .gz .tgz .Z .br .bz2 .zst' }

/** The same where a name ends as that of a packed file. */
export const DOTTED_TYPE_RULES: ByHost = {
  ...TYPE_RULES,
  apache: { ...UNLABELLED, rule: `${UNLABELLED.rule}\n<Location "PATH">\n  ForceType TYPE\n</Location>` },
}

/** No compression. */
export const ENCODING_RULES: ByHost = {
  nginx: { text: 'in each location of /v2/', rule: 'gzip off;' },
  apache: {
    ...UNLABELLED,
    rule: `${UNLABELLED.rule}\n<Location "/v2/">\n  SetEnv no-gzip 1\n  SetEnv no-brotli 1\n</Location>`,
  },
  caddy: { text: 'in the site, for its "encode"', rule: '@packed not path /v2/*\nencode @packed zstd gzip' },
  lighttpd: { text: 'in the configuration', rule: '$HTTP["url"] =~ "^/v2/" {\n  deflate.mimetypes = ()\n}' },
}

const UNKNOWN = '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'

/** An error as JSON for what is not there. */
export const MISSING_RULES: ByHost = {
  nginx: {
    text: 'in the server block',
    rule: `error_page 404 @missing;\nlocation @missing { types {} default_type application/json; return 404 '${UNKNOWN}'; }`,
  },
  apache: {
    text: 'in the site, with mod_headers',
    rule: `<Location "/v2/">\n  ErrorDocument 404 '${UNKNOWN}'\n  Header always set Content-Type application/json "expr=%{REQUEST_STATUS} -eq 404"\n</Location>`,
  },
  caddy: {
    text: 'in the site',
    rule: `handle_errors {\n  @missing expression {err.status_code} == 404\n  header @missing Content-Type application/json\n  respond @missing \`${UNKNOWN}\` 404\n}`,
  },
}

/** 200 for `/v2/`. */
export const VERSION_RULES: ByHost = {
  nginx: {
    text: 'in the server block',
    rule: 'location = /v2/ { types {} default_type application/json; return 200 "{}"; }',
  },
  apache: {
    text: 'in the site, where v2/index.json is there',
    rule: '<Location "/v2/">\n  DirectoryIndex index.json\n</Location>',
  },
  caddy: { text: 'in the site', rule: 'handle /v2/ {\n  respond "{}" 200\n}' },
}

/** No for what would write. */
export const WRITE_RULES: ByHost = {
  apache: {
    text: 'in the site, where it makes them 403',
    rule: '<Location "/v2/">\n  <LimitExcept GET HEAD>\n    Require all denied\n  </LimitExcept>\n</Location>',
  },
  caddy: {
    text: 'in the site, or in its "handle" for /v2/',
    rule: '@write not method GET HEAD\nrespond @write 405',
  },
}
