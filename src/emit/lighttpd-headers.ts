import { ERROR_HEADERS } from '../oci/api-error.ts'
import { JSON_TYPE } from '../oci/media-types.ts'
import type { RouteFamily } from '../tree/route.ts'
import { FOUND_HEADER } from './lighttpd-find.ts'
import { luaList, luaString, luaTable } from './lua-text.ts'

/** The script that gives an answer of the registry its headers, after the modules that would add some of their own. */
export function formatHeaders(families: readonly RouteFamily[]): string {
  const error = { 'Content-Type': JSON_TYPE, ...ERROR_HEADERS }
  const kinds = [...families.map(({ kind, headers }) => [kind, headers] as const), ['error', error] as const]
  const names = new Set([...NOT_OURS, ...kinds.flatMap(([, headers]) => Object.keys(headers))])
  const tables = kinds.map(([kind, headers]) => [kind, `{${printHeaders(headers)}}`] as const)
  return `local names = ${luaList([...names].map(luaString))}
local headers = ${luaTable(Object.fromEntries(tables))}
${SCRIPT}`
}

/** What belongs to files of a web site. */
const NOT_OURS = ['Last-Modified', 'Expires', 'Vary', 'Content-Language', 'Content-Location', 'Content-Encoding']

function printHeaders(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => ` [${luaString(name)}] = ${luaString(value)},`)
    .join('')
    .replace(/,$/, ' ')
}

const SCRIPT = `
local response = lighty.r.resp_header
local kind, status, type, digest = (response["${FOUND_HEADER}"] or ""):match("^(%S+) ?(%S*) ?(%S*) ?(%S*)$")
-- Not an answer of the registry: a question for a password, perhaps.
if not kind then return 0 end
response["${FOUND_HEADER}"] = ""
for _, name in ipairs(names) do response[name] = "" end
local values = { mediaType = type, digest = digest }
for name, value in pairs(headers[kind]) do response[name] = value:gsub("{(%w+)}", values) end
if status == "304" then response["Content-Type"] = "" end
return 0
`
