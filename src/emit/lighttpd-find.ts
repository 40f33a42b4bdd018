import { type ApiErrorCode, formatApiError } from '../oci/api-error.ts'
import { RESERVED_NAMES } from '../oci/name.ts'
import type { RouteFamily } from '../tree/route.ts'
import { LINKS } from './lighttpd-farm.ts'
import { luaList, luaString, luaTable } from './lua-text.ts'
import { familyOf } from './route-parts.ts'
import { TYPES, typeFolder } from './type-folder.ts'

/** The script that finds the file for a path of the registry and sends it; what it found out is a header, {@link FOUND_HEADER}. `root` is the web root, '' for "/". */
export function formatFind(families: readonly RouteFamily[], root: string): string {
  const fallback = (kind: 'version' | 'referrers'): string =>
    new TextDecoder().decode(familyOf(families, kind).fallback ?? new Uint8Array())
  const types = (['blob', 'tags', 'catalog', 'referrers', 'version'] as const).map(
    kind => [kind, luaString(familyOf(families, kind).mediaType)] as const,
  )
  const errors = ERRORS.map(code => [code, luaString(formatApiError(code))] as const)
  return `local root = ${luaString(root)}
local links = ${luaString(`${root}${LINKS}/`)}
local manifest_types = ${luaList(TYPES.map(type => luaString(typeFolder(type))))}
local types = ${luaTable(Object.fromEntries(types))}
local errors = ${luaTable(Object.fromEntries(errors))}
local version, no_referrers = ${luaString(fallback('version'))}, ${luaString(fallback('referrers'))}
local reserved = ${luaTable(Object.fromEntries(RESERVED_NAMES.map(name => [name, 'true'])))}
${SCRIPT}`
}

/** What the script of headers is told by, and takes away. */
export const FOUND_HEADER = 'X-Registrish-Found'

const ERRORS: readonly ApiErrorCode[] = [
  'BAD_REQUEST',
  'BLOB_UNKNOWN',
  'DIGEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_UNKNOWN',
  'RANGE_INVALID',
  'UNSUPPORTED',
]

const SCRIPT = String.raw`
-- The path as the client sent it: rules of the server that rewrite do not matter here.
local r, stat = lighty.r, lighty.c.stat
local asked, query = r.req_attr["request.orig-uri"]:match("^([^?#]*)%??(.*)$")
local path = asked:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
if path ~= "/v2" and path:sub(1, 4) ~= "/v2/" then return 0 end

local function fail(status, code)
    r.resp_header["${FOUND_HEADER}"] = "error"
    r.resp_body:set({ errors[code] })
    return status
end

local method = r.req_attr["request.method"]
if method ~= "GET" and method ~= "HEAD" then
    r.resp_header["Allow"] = "GET, HEAD"
    return fail(405, "UNSUPPORTED")
end
if (asked:gsub("%%%x%x", "")):find("%", 1, true) then return fail(400, "BAD_REQUEST") end
-- A digest is that of the bytes as they are: nothing may recode them.
r.req_header["Accept-Encoding"] = ""

local function is_file(file)
    local found = stat(file)
    return found and found.is_file and found
end

local function is_repository(name)
    local found = not (name .. "/"):find("/%.*/") and stat(links .. name .. ":")
    return found and found.is_dir
end

-- What may stand where no file decides.
local function is_name(name)
    if #name > 255 or name:find("//", 1, true) then return false end
    for part in (name .. "/"):gmatch("([^/]*)/") do
        if reserved[part] or not (part:find("^[a-z0-9][a-z0-9._-]*$") and part:find("[a-z0-9]$")) then return false end
        for mark in part:gmatch("[._-]+") do
            if mark ~= "." and mark ~= "_" and mark ~= "__" and mark:find("[^-]") then return false end
        end
    end
    return true
end

local function is_digest(text)
    return text:find("^sha256:[0-9a-f]+$") and #text == 71 or text:find("^sha512:[0-9a-f]+$") and #text == 135
end

-- Small files are read anew each time: lighttpd would remember them for a second.
local function read(file)
    local handle = is_file(file) and io.open(file, "rb")
    local text = handle and handle:read("*a")
    if handle then handle:close() end
    return text
end

local function is_known(digest)
    local known = r.req_header["If-None-Match"]
    if not known then return false end
    if known:find("^%s*%*%s*$") then return true end
    for tag in known:gmatch('"([^"]*)"') do
        if tag == digest then return true end
    end
    return false
end

local function found(kind, type, digest)
    local status = is_known(digest) and 304 or 200
    r.resp_header["${FOUND_HEADER}"] = kind .. " " .. status .. " " .. type .. " " .. (digest or "")
    return status
end

-- Whether there are ranges, but none that lies in the file.
local function is_beyond(size)
    local ranges = (r.req_header["Range"] or ""):match("^bytes=(.*)$")
    local any = false
    for range in (ranges or ""):gmatch("[^,]+") do
        local first, last = range:match("^%s*(%d*)%-(%d*)%s*$")
        if not first or first == "" and last == "" then return false end
        if first ~= "" and last ~= "" and tonumber(last) < tonumber(first) then return false end
        if first == "" and tonumber(last) > 0 and size > 0 or first ~= "" and tonumber(first) < size then return false end
        any = true
    end
    return any
end

local function send(file, kind, type, digest)
    local size = file and is_file(file)
    size = size and size.st_size
    if not size then return nil end
    local status = found(kind, type, digest)
    if status == 304 then return status end
    local condition = r.req_header["If-Range"]
    if condition and condition ~= '"' .. digest .. '"' then r.req_header["Range"] = "" end
    if size == 0 then r.req_header["Range"] = "" end
    if kind == "blob" and method == "GET" and is_beyond(size) then
        r.resp_header["Content-Range"] = "bytes */" .. size
        return fail(416, "RANGE_INVALID")
    end
    r.resp_body:set({ { filename = file } })
    -- It may not be readable.
    return r.resp_body.bytes_in == size and status or nil
end

local function send_text(text, kind)
    local status = found(kind, types[kind])
    if status == 200 then r.resp_body:set({ text }) end
    return status
end

-- The folder in which a digest stands says its media type; of other types a small file does.
local function send_manifest(folder, kind, type, digest)
    return send(folder .. type .. "/" .. digest, kind, type:gsub(":", "/", 1), digest)
end

local function send_entry(folder, reference, kind)
    local type, digest = (read(folder .. reference) or ""):match("^([^/:]+:[^/:]+)/(%S+)%s*$")
    return type and send_manifest(folder, kind, type, digest)
end

local function by_digest(folder, digest)
    for _, type in ipairs(manifest_types) do
        if is_file(folder .. type .. "/" .. digest) then return send_manifest(folder, "manifest", type, digest) end
    end
    return send_entry(folder, digest, "manifest")
end

-- The tags after one of them, whether it is there or not.
local function page(list, last)
    local start, tags = list:match('^(.*"tags":%[)(.*)%]}%s*$')
    if not tags then return list end
    local rest = {}
    for tag in tags:gmatch('"[^"]*"') do
        if tag:sub(2, -2) > last then rest[#rest + 1] = tag end
    end
    return start .. table.concat(rest, ",") .. "]}"
end

local function unknown(name, code)
    return fail(404, name and is_repository(name) and code or "NAME_UNKNOWN")
end

local name, reference = path:match("^/v2/([a-z0-9][a-z0-9._/-]*)/manifests/([^/]+)$")
if name then
    local folder = links .. name .. ":/"
    local status
    if not is_repository(name) then status = nil
    elseif is_digest(reference) then status = by_digest(folder, reference)
    elseif reference:find("^[A-Za-z0-9_][A-Za-z0-9._-]*$") then status = send_entry(folder, reference, "tag") end
    return status or unknown(name, "MANIFEST_UNKNOWN")
end

name, reference = path:match("^/v2/([a-z0-9][a-z0-9._/-]*)/blobs/([^/]+)$")
if name then
    local there = is_digest(reference) and is_repository(name)
    return there and send(root .. path, "blob", types.blob, reference) or unknown(name, "BLOB_UNKNOWN")
end

name = path:match("^/v2/([a-z0-9][a-z0-9._/-]*)/tags/list$")
if name then
    local list = is_repository(name) and read(root .. path)
    local last = ("&" .. query):match("&last=([^&]*)")
    if list and last then
        list = page(list, last:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
    end
    return list and send_text(list, "tags") or unknown()
end

name, reference = path:match("^/v2/([a-z0-9][a-z0-9._/-]*)/referrers/([^/]+)$")
if name and is_name(name) then
    if not is_digest(reference) then return fail(400, "DIGEST_INVALID") end
    return send_text(is_repository(name) and read(root .. path) or no_referrers, "referrers")
end

if path == "/v2" or path == "/v2/" then return send_text(version, "version") end
local catalog = path == "/v2/_catalog" and read(root .. path)
return catalog and send_text(catalog, "catalog") or unknown()
`
