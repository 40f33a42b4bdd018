import { expect, test } from 'vitest'
import { formatLocations, formatMaps, formatServer } from '../../src/emit/nginx-config.ts'
import { FAMILIES } from '../../src/tree/routes.ts'

const FORMS = ['constant', 'map'] as const
const SERVED = { webRoot: '/srv/registrish', port: '5555', form: 'constant' } as const

test.for(FORMS)('the server holds the maps and the locations of the snippets: %s', form => {
  const place = { webRoot: '/srv/registrish', port: '5555', form }
  const server = formatServer(FAMILIES, place)
  const unindented = server.replace(/^ {4}/gm, '')
  expect(server).toContain(formatMaps(place))
  expect(unindented).toContain(formatLocations(FAMILIES, place))
})

test.for(FORMS)('every block that is opened is closed: %s', form => {
  const text = formatServer(FAMILIES, { webRoot: '/srv/registrish', port: '5555', form }).replace(
    /"(?:[^"\\]|\\.)*"|'[^']*'|#.*/g,
    '',
  )
  expect(text.split('{').length).toBe(text.split('}').length)
})

test('a family that the host cannot print stops everything', () => {
  const broken = FAMILIES.map(family => ({ ...family, headers: { ...family.headers, 'X-Price': '5$' } }))
  expect(() => formatLocations(broken, SERVED)).toThrow(/X-Price/)
  expect(() => formatLocations(FAMILIES.slice(1), SERVED)).toThrow(/blob/)
})

test('what nginx gets is this', () => {
  expect(formatMaps(SERVED)).toMatchInlineSnapshot(`
    "# A method that writes, at a path of the registry.
    map $request_method $registrish_write {
        default  $uri;
        GET      "";
        HEAD     "";
    }
    map $registrish_write $registrish_refused {
        default         "";
        ""              "";
        "~^/v2(?:/|$)"  1;
    }

    # Where a tag's link leads says what the tag is. A map is asked once per request, so that headers and bytes come
    # from one answer, whatever happens to the link meanwhile ("set" would look twice, and fail where it moved between).
    map $realpath_root $registrish_target {
        default  .none;
        "~/(?<registrish_type>[^/:]+):(?<registrish_subtype>[^/:]+)/(?<registrish_digest>(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))$"
            $registrish_type:$registrish_subtype/$registrish_digest;
    }

    # The folder in which a digest was found says its media type.
    map $uri $registrish_media_type {
        default  "";
        "~/(?<registrish_type>[^/:]+):(?<registrish_subtype>[^/:]+)/[^/]+$"  $registrish_type/$registrish_subtype;
    }

    # Whether If-None-Match names the digest that is asked for. Most requests have none: no pattern is tried then.
    map $http_if_none_match $registrish_condition {
        default  "$http_if_none_match|$registrish_digest";
        ""       "";
    }
    map $registrish_condition $registrish_unchanged {
        default  "";
        ""       "";
        "~^\\*\\|sha"  1;
        "~^(?:[^|]*,)?\\s*(?:W/)?\\"(?<registrish_known>sha[^|,\\"]+)\\"\\s*(?:,[^|]*)?\\|\\k<registrish_known>$"  1;
    }

    # The tag after which a list is to go on: nothing else that a client may write there gets any further.
    map $arg_last $registrish_last {
        default  "";
        "~^(?<registrish_sieved>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})\\z"  $registrish_sieved;
    }

    # nginx has no other word for a dollar sign.
    geo $registrish_dollar {
        default  "$";
    }
    "
  `)
  expect(formatServer(FAMILIES, SERVED).replace(formatMaps(SERVED), '(the maps)\n')).toMatchInlineSnapshot(`
    "(the maps)

    server {
        listen 5555;
        server_name _;
        error_page 403 404 =404 /v2/.error/404;
        error_page 400 414 /v2/.error/400;
        error_page 405 /v2/.error/405;
        error_page 412 /v2/.error/412;
        error_page 416 /v2/.error/416;

        # Nothing but the registry is served, whatever else the web root holds.
        location / {
            if ($registrish_write) {
                rewrite ^ /v2/.error/405 last;
            }
            return 404;
        }

        # The registry is read-only.
        if ($registrish_refused) {
            rewrite ^ /v2/.error/405 last;
        }

        location = /v2 {
            rewrite ^ /v2/ last;
        }

        location ^~ /v2/ {
            # What none of the locations below takes.
            return 404;

            root "/srv/registrish";
            # A digest is that of the bytes as they are: nothing may recode them, and no date may stand for them.
            types { }
            gzip off;
            charset off;
            ssi off;
            etag off;
            if_modified_since off;
            expires off;
            open_file_cache off;
            log_not_found off;
            client_max_body_size 0;
            # What a link leads to may lie outside.
            disable_symlinks on "from=/srv/registrish/v2";
            error_page 403 404 =404 /v2/.error/404;
            error_page 400 414 /v2/.error/400;
            error_page 405 /v2/.error/405;
            error_page 412 /v2/.error/412;
            error_page 416 /v2/.error/416;

            location ~ "^/v2/(?<registrish_name>[a-z0-9][a-z0-9._/-]*)/manifests/(?<registrish_digest>(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))\\z" {
                default_type "";
                max_ranges 0;
                disable_symlinks off;
                sendfile off;
                if ($registrish_unchanged) {
                    rewrite ^ /v2/.unchanged/manifest last;
                }
                try_files
                    /nginx/links/$registrish_name:/application:vnd.oci.image.manifest.v1+json/$registrish_digest
                    /nginx/links/$registrish_name:/application:vnd.oci.image.index.v1+json/$registrish_digest
                    /nginx/links/$registrish_name:/application:vnd.docker.distribution.manifest.v2+json/$registrish_digest
                    /nginx/links/$registrish_name:/application:vnd.docker.distribution.manifest.list.v2+json/$registrish_digest
                    /v2/.other;
                add_header Content-Type "$registrish_media_type";
                add_header Docker-Content-Digest "$registrish_digest";
                add_header ETag "\\"$registrish_digest\\"";
                add_header Cache-Control "public, max-age=31536000, immutable, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
            }

            location ~ "^/v2/(?<registrish_name>[a-z0-9][a-z0-9._/-]*)/manifests/(?<registrish_tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})\\z" {
                default_type "";
                max_ranges 0;
                disable_symlinks off;
                sendfile off;
                # Without this look nginx would log each tag that is not there as a failure.
                if (!-f "/srv/registrish/v2/$registrish_name/manifests/$registrish_tag") {
                    rewrite ^ /v2/.absent last;
                }
                set $registrish_file $registrish_tag;
                alias "/srv/registrish/nginx/links/$registrish_name:/$registrish_file";
                set $registrish_file $registrish_target;
                if ($registrish_unchanged) {
                    rewrite ^ /v2/.unchanged/tag last;
                }
                add_header Content-Type "$registrish_type/$registrish_subtype";
                add_header Docker-Content-Digest "$registrish_digest";
                add_header ETag "\\"$registrish_digest\\"";
                add_header Cache-Control "public, max-age=60, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
            }

            location ~ "^/v2/(?<registrish_name>(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*(?:/(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)*)/(?<registrish_kind>blobs)/(?<registrish_digest>(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))\\z" {
                default_type application/octet-stream;
                if ($registrish_unchanged) {
                    rewrite ^ /v2/.unchanged/blob last;
                }
                if ($request_method = HEAD) {
                    rewrite ^ /v2/.blob-head last;
                }
                add_header Docker-Content-Digest "$registrish_digest";
                add_header ETag "\\"$registrish_digest\\"";
                add_header Cache-Control "public, max-age=31536000, immutable, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
            }

            location = /v2/.blob-head {
                # A range is for GET (RFC 9110, 14.2): HEAD ignores it, and says all else that GET says.
                internal;
                default_type application/octet-stream;
                max_ranges 0;
                alias "/srv/registrish/v2/$registrish_name/blobs/$registrish_digest";
                add_header Accept-Ranges bytes;
                add_header Docker-Content-Digest "$registrish_digest";
                add_header ETag "\\"$registrish_digest\\"";
                add_header Cache-Control "public, max-age=31536000, immutable, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
            }

            location ~ "^/v2/(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*(?:/(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)*/referrers/(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\\z" {
                default_type application/vnd.oci.image.index.v1+json;
                max_ranges 0;
                try_files $uri /v2/.no-referrers;
                add_header Cache-Control "public, max-age=60, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
            }

            location = /v2/.no-referrers {
                internal;
                default_type application/vnd.oci.image.index.v1+json;
                add_header Cache-Control "public, max-age=60, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
                return 200 '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}';
            }

            location ~ "^/v2/(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*(?:/(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)*/referrers/[^/]+\\z" {
                rewrite ^ /v2/.error/digest last;
            }

            location ~ "^/v2/(?<registrish_name>(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*(?:/(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)*)/(?<registrish_kind>manifests|blobs)/[^/]+\\z" {
                try_files /v2/.nothing =404;
            }

            # What is unknown is said only to those who may know: "try_files" comes after passwords, "return" before.
            location = /v2/.absent {
                internal;
                try_files /v2/.nothing =404;
            }

            location ~ "^/v2/(?<registrish_name>(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*(?:/(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)*)/tags/list\\z" {
                default_type application/json;
                max_ranges 0;
                if ($registrish_last != "") {
                    rewrite ^ /v2/.page last;
                }
                add_header Cache-Control "public, max-age=60, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
            }

            location = /v2/.page {
                internal;
                # By then a server of the user has asked for a password, if it does.
                try_files /v2/.nothing /v2/.cut;
            }

            location = /v2/.cut {
                internal;
                if (!-f "/srv/registrish/v2/$registrish_name/tags/list") {
                    return 404;
                }
                default_type application/json;
                ssi on;
                ssi_types *;
                ssi_silent_errors on;
                ssi_value_length 1024;
                ssi_last_modified off;
                add_header Cache-Control "public, max-age=60, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
                return 200 '<!--# include virtual="/v2/.list" set="registrish_list" -->{"name":"$registrish_name","tags":[<!--# if expr="\${registrish_dollar}registrish_list = /(?<=[[,])\\x22\\Q$registrish_last\\E\\x22(?=[],]),?(?<registrish_rest>[^]]*)/" --><!--# echo var="registrish_rest" encoding="none" default="" --><!--# endif -->]}';
            }

            location = /v2/.list {
                internal;
                default_type application/json;
                # No more than a list's own length is taken.
                subrequest_output_buffer_size 64m;
                alias "/srv/registrish/v2/$registrish_name/tags/list";
            }

            location = /v2/_catalog {
                default_type application/json;
                max_ranges 0;
                add_header Cache-Control "public, max-age=60, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
            }

            location = /v2/ {
                try_files /v2/.nothing /v2/.version;
            }

            location = /v2/.version {
                internal;
                default_type application/json;
                add_header Cache-Control "public, max-age=60, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
                return 200 '{}';
            }

            location = /v2/.other {
                internal;
                default_type "";
                max_ranges 0;
                disable_symlinks off;
                sendfile off;
                if (!-f "/srv/registrish/nginx/links/$registrish_name:/$registrish_digest") {
                    return 404;
                }
                set $registrish_file $registrish_digest;
                alias "/srv/registrish/nginx/links/$registrish_name:/$registrish_file";
                set $registrish_file $registrish_target;
                add_header Content-Type "$registrish_type/$registrish_subtype";
                add_header Docker-Content-Digest "$registrish_digest";
                add_header ETag "\\"$registrish_digest\\"";
                add_header Cache-Control "public, max-age=31536000, immutable, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
            }

            location = /v2/.unchanged/manifest {
                internal;
                try_files /v2/.nothing /v2/.304/manifest;
            }

            location = /v2/.unchanged/blob {
                internal;
                try_files /v2/.nothing /v2/.304/blob;
            }

            location = /v2/.unchanged/tag {
                internal;
                try_files /v2/.nothing /v2/.304/tag;
            }

            location = /v2/.304/manifest {
                internal;
                default_type "";
                disable_symlinks off;
                if (-f "/srv/registrish/nginx/links/$registrish_name:/application:vnd.oci.image.manifest.v1+json/$registrish_digest") {
                    return 304;
                }
                if (-f "/srv/registrish/nginx/links/$registrish_name:/application:vnd.oci.image.index.v1+json/$registrish_digest") {
                    return 304;
                }
                if (-f "/srv/registrish/nginx/links/$registrish_name:/application:vnd.docker.distribution.manifest.v2+json/$registrish_digest") {
                    return 304;
                }
                if (-f "/srv/registrish/nginx/links/$registrish_name:/application:vnd.docker.distribution.manifest.list.v2+json/$registrish_digest") {
                    return 304;
                }
                if (-f "/srv/registrish/nginx/links/$registrish_name:/$registrish_digest") {
                    return 304;
                }
                add_header Docker-Content-Digest "$registrish_digest";
                add_header ETag "\\"$registrish_digest\\"";
                add_header Cache-Control "public, max-age=31536000, immutable, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
                return 404;
            }

            location = /v2/.304/blob {
                internal;
                default_type "";
                if (-f "/srv/registrish/v2/$registrish_name/blobs/$registrish_digest") {
                    return 304;
                }
                add_header Docker-Content-Digest "$registrish_digest";
                add_header ETag "\\"$registrish_digest\\"";
                add_header Cache-Control "public, max-age=31536000, immutable, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
                return 404;
            }

            location = /v2/.304/tag {
                internal;
                default_type "";
                add_header Docker-Content-Digest "$registrish_digest";
                add_header ETag "\\"$registrish_digest\\"";
                add_header Cache-Control "public, max-age=60, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
                return 304;
            }

            location = /v2/.error/404 {
                internal;
                default_type application/json;
                add_header Cache-Control no-store always;
                add_header Docker-Distribution-API-Version registry/2.0 always;
                add_header X-Content-Type-Options nosniff always;
                uninitialized_variable_warn off;
                if (!-d "/srv/registrish/v2/$registrish_name/manifests") {
                    return 404 '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}';
                }
                if ($registrish_kind = blobs) {
                    return 404 '{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}';
                }
                return 404 '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}';
            }

            location = /v2/.error/405 {
                internal;
                default_type application/json;
                add_header Cache-Control no-store always;
                add_header Docker-Distribution-API-Version registry/2.0 always;
                add_header X-Content-Type-Options nosniff always;
                add_header Allow "GET, HEAD" always;
                return 405 '{"errors":[{"code":"UNSUPPORTED","message":"the operation is unsupported: this registry is read-only"}]}';
            }

            location = /v2/.error/400 {
                internal;
                default_type application/json;
                add_header Cache-Control no-store always;
                add_header Docker-Distribution-API-Version registry/2.0 always;
                add_header X-Content-Type-Options nosniff always;
                return 400 '{"errors":[{"code":"BAD_REQUEST","message":"this is not an HTTP request that can be understood"}]}';
            }

            location = /v2/.error/412 {
                internal;
                default_type application/json;
                add_header Cache-Control no-store always;
                add_header Docker-Distribution-API-Version registry/2.0 always;
                add_header X-Content-Type-Options nosniff always;
                return 412 '{"errors":[{"code":"PRECONDITION_FAILED","message":"the only condition known here is If-None-Match"}]}';
            }

            location = /v2/.error/416 {
                internal;
                default_type application/json;
                add_header Cache-Control no-store always;
                add_header ETag "" always;
                return 416 '{"errors":[{"code":"RANGE_INVALID","message":"the blob has no such range"}]}';
            }

            location = /v2/.error/digest {
                internal;
                default_type application/json;
                add_header Cache-Control no-store always;
                add_header Docker-Distribution-API-Version registry/2.0 always;
                add_header X-Content-Type-Options nosniff always;
                return 400 '{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content"}]}';
            }
        }
    }
    "
  `)
})

test('with a list of tags nginx gets this besides, and nothing else differs', () => {
  const listed = { ...SERVED, form: 'map' } as const
  expect(formatMaps(listed).replace(formatMaps(SERVED), '')).toMatchInlineSnapshot(`
    "
    # What each tag named when nginx read this list. It is only a short cut: a tag that is not in it, or whose manifest is
    # gone, is looked up on the disk. Should nginx warn that it could not build an optimal map_hash, it is slower by little;
    # these lines in nginx.conf, above all that has a "map" (else nginx refuses them), end that:
    #     map_hash_max_size 262144;
    #     map_hash_bucket_size 128;
    map $registrish_name/$registrish_tag $registrish_named {
        default  "";
        include  "/srv/registrish/nginx/snippets/tags.map";
    }

    # nginx does not tell RC1 from rc1 in such a list: the tag stands there once more.
    map $registrish_tag=$registrish_named $registrish_listed {
        default  "";
        "~^([^=]+)=\\1=(?<registrish_type>[^/:]+):(?<registrish_subtype>[^/:]+)/(?<registrish_digest>(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))\\z"
            $registrish_type:$registrish_subtype/$registrish_digest;
    }
    "
  `)
  const blocks = new Set(blocksOf(formatLocations(FAMILIES, SERVED)))
  const more = blocksOf(formatLocations(FAMILIES, listed)).filter(block => !blocks.has(block))
  expect(more.join('\n\n')).toMatchInlineSnapshot(`
    "    location ~ "^/v2/(?<registrish_name>[a-z0-9][a-z0-9._/-]*)/manifests/(?<registrish_tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})\\z" {
            default_type "";
            max_ranges 0;
            disable_symlinks off;
            sendfile off;
            recursive_error_pages on;
            error_page 403 404 = /v2/.by-tag;
            error_page 400 414 /v2/.error/400;
            error_page 405 /v2/.error/405;
            error_page 412 /v2/.error/412;
            error_page 416 /v2/.error/416;
            if ($registrish_listed = "") {
                rewrite ^ /v2/.by-tag last;
            }
            alias "/srv/registrish/nginx/links/$registrish_name:/$registrish_listed";
            if ($registrish_unchanged) {
                rewrite ^ /v2/.unchanged/tag last;
            }
            add_header Content-Type "$registrish_type/$registrish_subtype";
            add_header Docker-Content-Digest "$registrish_digest";
            add_header ETag "\\"$registrish_digest\\"";
            add_header Cache-Control "public, max-age=60, no-transform";
            add_header Docker-Distribution-API-Version "registry/2.0";
            add_header X-Content-Type-Options "nosniff";
            add_header Last-Modified "";
        }


        location = /v2/.by-tag {
            internal;
            default_type "";
            max_ranges 0;
            disable_symlinks off;
            sendfile off;
            # Without this look nginx would log each tag that is not there as a failure.
            if (!-f "/srv/registrish/v2/$registrish_name/manifests/$registrish_tag") {
                rewrite ^ /v2/.absent last;
            }
            set $registrish_file $registrish_tag;
            alias "/srv/registrish/nginx/links/$registrish_name:/$registrish_file";
            set $registrish_file $registrish_target;
            if ($registrish_unchanged) {
                rewrite ^ /v2/.unchanged/tag last;
            }
            add_header Content-Type "$registrish_type/$registrish_subtype";
            add_header Docker-Content-Digest "$registrish_digest";
            add_header ETag "\\"$registrish_digest\\"";
            add_header Cache-Control "public, max-age=60, no-transform";
            add_header Docker-Distribution-API-Version "registry/2.0";
            add_header X-Content-Type-Options "nosniff";
            add_header Last-Modified "";
        }
    "
  `)
})

/** The nested locations of a configuration. */
function blocksOf(text: string): readonly string[] {
  return text.split(/\n(?= {4}location )/)
}
