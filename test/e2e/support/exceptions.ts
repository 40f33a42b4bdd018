import type { Difference } from './compare-answers.ts'
import type { Question } from './questions.ts'

/** A difference that these servers cannot avoid, or that the contract leaves to them; all others must agree without them. */
interface Exception {
  readonly name: string
  readonly why: string
  readonly servers: readonly string[]
  /** Headers in lower case, `status`, `body`; default: all. */
  readonly aspects?: readonly string[]
  readonly at: (question: Question) => boolean
}

/** What the digest of no bytes begins with. */
const EMPTY = 'e3b0c44298fc1c14'

const asks =
  (header: string, value?: string) =>
  ({ headers = {} }: Question): boolean =>
    value === undefined ? header in headers : headers[header]?.includes(value) === true
const matched = ({ asked }: Question): boolean => /If-None-Match: (?:\*|its own|weak)/.test(asked)

/** Each must still be true: the test fails where a server that is named here answers as the others do. */
export const EXCEPTIONS: readonly Exception[] = [
  {
    name: 'HEAD with a Range',
    why: 'RFC 9110 §14.2 defines ranges for GET alone, but the web servers answer HEAD as they would answer GET',
    servers: ['apache', 'caddy'],
    at: question => question.method === 'HEAD' && asks('Range')(question),
  },
  {
    name: 'Range of nothing',
    why: 'no answer can say a part of the empty blob: 416 by RFC 9110 §14.1.2, or all of it by §14.2, each has its own way',
    servers: ['nginx', 'caddy'],
    at: question => question.path.includes(EMPTY) && asks('Range')(question),
  },
  {
    name: 'If-None-Match: * where there is no entity tag',
    why: '304 by RFC 9110 §13.1.2, but these look at the header only where an entity tag was made; the whole answer is right too',
    servers: ['apache', 'caddy'],
    at: ({ kind, asked }) => ['version', 'document', 'page'].includes(kind) && asked === 'If-None-Match: *',
  },
  {
    name: 'the length of an error that HEAD is told',
    why: 'Apache does not read the error document that it does not send',
    servers: ['apache'],
    aspects: ['content-length'],
    at: ({ kind, method }) => method === 'HEAD' && ['absent', 'malformed', 'hidden'].includes(kind),
  },
  {
    name: 'the length of nothing that HEAD is told',
    why: 'Apache and lighttpd take a length of 0 for one that is not known yet',
    servers: ['apache', 'lighttpd'],
    aspects: ['content-length'],
    at: ({ method, path }) => method === 'HEAD' && path.includes(EMPTY),
  },
  {
    name: 'the type in a 304',
    why: 'it is made from the rules of the whole answer, and says the right type',
    servers: ['nginx', 'apache'],
    aspects: ['content-type'],
    at: matched,
  },
  {
    name: 'the length in a 304',
    why: 'nginx counts the empty body',
    servers: ['nginx'],
    aspects: ['content-length'],
    at: matched,
  },
  {
    name: 'headers of 416',
    why: 'nginx adds those of the blob before it looks at the range, and those of the error after them',
    servers: ['nginx'],
    aspects: [
      'cache-control',
      'docker-content-digest',
      'docker-distribution-api-version',
      'etag',
      'x-content-type-options',
    ],
    at: asks('Range', '999999'),
  },
  {
    name: 'all of 416',
    why: 'Caddy answers in plain text, with the headers of the blob',
    servers: ['caddy'],
    aspects: ['body', 'content-length', 'content-type', 'docker-content-digest', 'etag'],
    at: asks('Range', '999999'),
  },
  {
    name: 'ranges that nearly touch',
    why: 'RFC 9110 §15.3.7.2 lets a server send one range instead, and lighttpd does',
    servers: ['lighttpd'],
    aspects: ['body', 'content-length', 'content-range', 'content-type'],
    at: ({ method, headers = {} }) => method !== 'HEAD' && headers['Range'] === 'bytes=0-1,5-9',
  },
  {
    name: 'the length of 416',
    why: 'Apache sends this error page in chunks',
    servers: ['apache'],
    aspects: ['content-length', 'transfer-encoding'],
    at: asks('Range', '999999'),
  },
  {
    name: 'a blob that is a link out of the tree',
    why: 'Caddy follows every link, lighttpd every link or none: what leads out of a tree is for whoever makes the tree to leave out',
    servers: ['caddy', 'lighttpd'],
    at: ({ kind, path }) => kind === 'hidden' && path.startsWith('/v2/app/blobs/sha256:'),
  },
  {
    name: 'a write outside /v2/',
    why: 'the registry has no rules there: nothing is there, whatever the method',
    servers: ['apache', 'caddy', 'lighttpd'],
    at: ({ kind, path }) => kind === 'write' && !path.startsWith('/v2/'),
  },
  {
    name: 'n of tags/list',
    why: 'a page of any length is no file: clients take a longer list for the last page',
    servers: ['nginx', 'apache', 'caddy', 'lighttpd'],
    aspects: ['body', 'content-length', 'link'],
    at: ({ path }) => /[?&]n=/.test(path),
  },
  {
    name: 'artifactType of referrers',
    why: 'a choice by any type is no file: without OCI-Filters-Applied clients choose for themselves',
    servers: ['nginx', 'apache', 'caddy', 'lighttpd'],
    aspects: ['body', 'content-length', 'oci-filters-applied'],
    at: ({ path }) => path.includes('?artifactType='),
  },
  {
    name: 'last that is no tag of the list',
    why: 'files can be named by tags that are there, and nginx cannot compare strings: the list ends',
    servers: ['nginx', 'apache'],
    aspects: ['body'],
    at: ({ path }) => /[?&]last=(?:0000|latest0|zzz)$/.test(path),
  },
  {
    name: 'last that no tag can be',
    why: 'nothing but tags gets into their rules: the list is whole, as if it had not been asked for a part',
    servers: ['nginx', 'apache', 'caddy'],
    aspects: ['body'],
    at: ({ path }) => /[?&]last=(?:\.\.%2f|a%22b|%7B|t{200})/.test(path),
  },
  {
    name: 'a path that the server rewrites',
    why: 'they take "//" for "/", and resolve "." and "..", before they look for a rule',
    servers: ['nginx', 'apache', 'caddy'],
    at: ({ path }) => /\/\/|\/\.\.?\//.test(path),
  },
  {
    name: 'referrers of what is no digest',
    why: '400 by the distribution spec; a rule for digests does not see it: 404',
    servers: ['apache', 'caddy'],
    aspects: ['body', 'content-length', 'status'],
    at: ({ path }) => /\/referrers(?:\/latest|\/sha256:abc|\/)?$/.test(path),
  },
  {
    name: 'an escaped zero byte',
    why: 'nginx refuses it with 400 before it looks for a rule',
    servers: ['nginx'],
    aspects: ['body', 'content-length', 'status'],
    at: ({ path }) => path.includes('%00'),
  },
  {
    name: 'an escape that is none',
    why: 'the HTTP library of Caddy answers 400 in plain text, to HEAD too, before Caddy sees the request',
    servers: ['caddy'],
    at: ({ path }) => /%(?:zz|$)/.test(path),
  },
  {
    name: 'the code for what is no tag or digest',
    why: 'no rule sees such a path, so that nobody looks whether the repository is there: NAME_UNKNOWN',
    servers: ['apache', 'caddy'],
    aspects: ['body', 'content-length'],
    at: ({ kind }) => kind === 'malformed' || kind === 'hidden',
  },
]

/** Whether this exception speaks of a difference. */
export function excuses({ aspects, at }: Exception, { aspect, question }: Difference): boolean {
  return (aspects === undefined || aspects.includes(aspect)) && at(question)
}

/** The servers whose value of a difference is not compared. */
export function exceptedServers(difference: Difference): ReadonlySet<string> {
  return new Set(EXCEPTIONS.filter(each => excuses(each, difference)).flatMap(({ servers }) => servers))
}
