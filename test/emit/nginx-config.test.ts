import { expect, test } from 'vitest'
import { formatLocations, formatMaps, formatServer } from '../../src/emit/nginx-config.ts'
import { FAMILIES } from '../../src/tree/routes.ts'

test('the server holds the maps and the locations of the snippets', () => {
  const server = formatServer(FAMILIES, { webRoot: '/srv/registrish', port: '5555' })
  const unindented = server.replace(/^ {4}/gm, '')
  expect(server).toContain(formatMaps())
  expect(unindented).toContain(formatLocations(FAMILIES, '/srv/registrish'))
})

test('every block that is opened is closed', () => {
  const text = formatServer(FAMILIES, { webRoot: '/srv/registrish', port: '5555' }).replace(
    /"(?:[^"\\]|\\.)*"|'[^']*'|#.*/g,
    '',
  )
  expect(text.split('{').length).toBe(text.split('}').length)
})

test('a family that the host cannot print stops everything', () => {
  const broken = FAMILIES.map(family => ({ ...family, headers: { ...family.headers, 'X-Price': '5$' } }))
  expect(() => formatLocations(broken, '/srv')).toThrow(/X-Price/)
  expect(() => formatLocations(FAMILIES.slice(1), '/srv')).toThrow(/blob/)
})

test('what nginx gets is this', () => {
  expect(formatMaps()).toMatchInlineSnapshot(`
    "# A method that writes, at a path of the registry.
    map $request_method $registrish_write {
        default  $uri;
        GET      "";
        HEAD     "";
    }
    map $registrish_write $registrish_refused {
        default         "";
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

    # Whether If-None-Match names the digest that is asked for.
    map "$http_if_none_match|$registrish_digest" $registrish_unchanged {
        default  "";
        "~^\\*\\|sha"  1;
        "~^(?:[^|]*,)?\\s*(?:W/)?\\"(?<registrish_known>sha[^|,\\"]+)\\"\\s*(?:,[^|]*)?\\|\\k<registrish_known>$"  1;
    }
    "
  `)
  expect(
    formatServer(FAMILIES, { webRoot: '/srv/registrish', port: '5555' }).replace(formatMaps(), ''),
  ).toMatchInlineSnapshot(`
    "
    server {
        listen 5555;
        server_name _;
        error_page 403 404 =404 /v2/.error/404;
        error_page 400 414 /v2/.error/400;
        error_page 405 /v2/.error/405;
        error_page 416 /v2/.error/416;

        # Nothing but the registry is served, whatever else the web root holds.
        location / {
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
            error_page 416 /v2/.error/416;

            location ~ "^/v2/(?<registrish_name>[a-z0-9][a-z0-9._/-]*)/manifests/(?<registrish_digest>(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))\\z" {
                default_type "";
                max_ranges 0;
                disable_symlinks off;
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
                # Without this look nginx would log each tag that is not there as a failure.
                if (!-f "/srv/registrish/v2/$registrish_name/manifests/$registrish_tag") {
                    return 404;
                }
                set $registrish_file $registrish_tag;
                alias "/srv/registrish/nginx/links/$registrish_name:/$registrish_file";
                set $registrish_file $registrish_target;
                if ($registrish_unchanged) {
                    return 304;
                }
                add_header Content-Type "$registrish_type/$registrish_subtype";
                add_header Docker-Content-Digest "$registrish_digest";
                add_header ETag "\\"$registrish_digest\\"";
                add_header Cache-Control "public, max-age=60, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
            }

            location ~ "^/v2/(?<registrish_name>(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*(?:/(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)*)/blobs/(?<registrish_digest>(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))\\z" {
                default_type application/octet-stream;
                set $registrish_kind blob;
                if ($registrish_unchanged) {
                    rewrite ^ /v2/.unchanged/blob last;
                }
                add_header Docker-Content-Digest "$registrish_digest";
                add_header ETag "\\"$registrish_digest\\"";
                add_header Cache-Control "public, max-age=31536000, immutable, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
            }

            location ~ "^/v2/(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*(?:/(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)*/referrers/(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\\z" {
                default_type application/vnd.oci.image.index.v1+json;
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

            location ~ "^/v2/(?<registrish_name>(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*(?:/(?!(?:manifests|blobs|tags|referrers|index\\.json)/)[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)*)/tags/list\\z" {
                default_type application/json;
                add_header Cache-Control "public, max-age=60, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
            }

            location = /v2/_catalog {
                default_type application/json;
                add_header Cache-Control "public, max-age=60, no-transform";
                add_header Docker-Distribution-API-Version "registry/2.0";
                add_header X-Content-Type-Options "nosniff";
                add_header Last-Modified "";
            }

            location = /v2/ {
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

            location = /v2/.unchanged/blob {
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
                if ($registrish_kind = blob) {
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

            location = /v2/.error/416 {
                internal;
                default_type application/json;
                add_header Cache-Control no-store always;
                add_header Docker-Distribution-API-Version registry/2.0 always;
                add_header X-Content-Type-Options nosniff always;
                return 416 '{"errors":[{"code":"RANGE_INVALID","message":"the blob has no such range"}]}';
            }
        }
    }
    "
  `)
})
