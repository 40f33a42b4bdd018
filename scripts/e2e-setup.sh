#!/bin/sh
# Installs what the end-to-end tests need on Debian 12: container engines, registries, web servers, crane, stores of objects and emulators of static hosts.
# Adds one line to /etc/hosts, so that clients find the buckets of those stores.
#
# Safe to run again: what is there is left alone, and a run that finds everything takes about a second. The first builds versitygw (a minute), MinIO (three) and fake-gcs-server (one).
# Starts no service, and stops those that a package starts while being installed.
# Prints one line for each thing it did. Needs root, or sudo.
#
#   GOBIN   where programs built by Go go (default: ~/go/bin, where the tests look too)
set -eu

packages='
  docker.io docker-compose containerd crun podman skopeo buildah uidmap fuse-overlayfs iptables
  docker-registry openssl nginx apache2 apache2-utils caddy lighttpd lighttpd-modules-lua lighttpd-mod-deflate rsync
  busybox-static debootstrap wrk
  ca-certificates curl jq xz-utils
'
# Services of these packages; none may run or be started at boot because of this script.
services='docker.socket docker containerd docker-registry nginx apache2 apache-htcacheclean caddy lighttpd rsync podman.socket podman podman-auto-update.timer podman-restart'

# Hosts of the buckets that clients pull from: test/e2e/support/object-store-names.ts.
store_names='versitygw.test registrish.versitygw.test minio.test registrish.minio.test'

policy=/usr/sbin/policy-rc.d
mark='registrish e2e-setup'

main() {
  missing=$(missing_packages)
  if [ -n "$missing" ]; then install_packages "$missing"; fi
  ensure_package_lists
  ensure_go_program github.com/google/go-containerregistry/cmd/crane v0.22.1 1.25
  ensure_go_program github.com/versity/versitygw/cmd/versitygw v1.8.0 1.25
  ensure_go_program github.com/minio/minio v0.0.0-20260212201848-7aac2a2c5b7c 1.24
  ensure_go_program github.com/fsouza/fake-gcs-server v1.56.1 1.26
  ensure_store_names
  ensure_host_tools
}

missing_packages() {
  for package in $packages; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    if [ "$status" != installed ]; then printf '%s ' "$package"; fi
  done
}

install_packages() {
  become_root
  active=$(active_services)
  forbid_service_starts
  # Lists may be absent (container images come without) or too old to find the files they name.
  if ! quietly apt_install "$1" 2>/dev/null; then
    refresh_package_lists
    quietly apt_install "$1"
  fi
  allow_service_starts
  stop_new_services "$active"
  say "installed: $1"
}

apt_install() {
  # shellcheck disable=SC2086 # a list of words
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $1 </dev/null
}

# debootstrap's mirror is read from apt's lists of sources, which are empty before the first update.
ensure_package_lists() {
  # shellcheck disable=SC2016 # apt expands it
  if [ -n "$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages')" ]; then return; fi
  become_root
  refresh_package_lists
}

refresh_package_lists() {
  quietly $sudo apt-get update
  say 'refreshed the package lists'
}

# The package of a program, its version, and the oldest Go that builds it.
ensure_go_program() {
  program=${1##*/}
  folder=${GOBIN:-$HOME/go/bin}
  if is_built "$folder/$program" "$2"; then return; fi
  require_go "$program" "$3"
  quietly env GOBIN="$folder" go install "$1@$2"
  say "installed: $program $2 in $folder"
}

# Not all print their version, but Go writes it into each; no go is needed to read it there.
is_built() {
  tab=$(printf '\t')
  grep -aqs "^mod$tab.*$tab$2$tab" "$1"
}

require_go() {
  if ! command -v go >/dev/null; then
    fail "$1 is built by Go $2 or later and there is no go here (Debian 12's golang is too old): install one"
  fi
  found=$(go env GOVERSION)
  oldest=$(printf '%s\n%s\n' "$2" "${found#go}" | sort -V | head -n 1)
  if [ "$oldest" != "$2" ]; then
    fail "$1 is built by Go $2 or later, this is $found: install a newer one"
  fi
}

# Appended to, not replaced: in containers the file is a mount. Where it cannot be written, the tests that need the names say so.
ensure_store_names() {
  line="127.0.0.1 $store_names # $mark"
  if grep -qsxF "$line" /etc/hosts; then return; fi
  become_root
  if printf '%s\n' "$line" | quietly $sudo tee -a /etc/hosts; then say "added to /etc/hosts: $store_names"; fi
}

# Emulators of static hosts, in a package of their own. Nothing is asked of the network while its lock file is the one that was installed.
ensure_host_tools() {
  folder=$(dirname "$0")/../test/hosts
  if cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed-lock.json"; then return; fi
  if ! command -v npm >/dev/null; then fail 'the emulators of static hosts are installed by npm and there is none here: install Node.js'; fi
  quietly env -C "$folder" npm ci --ignore-scripts --no-progress
  cp "$folder/package-lock.json" "$folder/node_modules/.installed-lock.json"
  say 'installed: the emulators of static hosts in test/hosts'
}

become_root() {
  if [ "$(id -u)" = 0 ]; then
    sudo=
  elif command -v sudo >/dev/null; then
    sudo=sudo
  else
    fail 'something is missing that only root can add; run this as root, or install sudo'
  fi
}

# Package scripts ask policy-rc.d whether they may start their service; 101 says no. What stood there comes back.
forbid_service_starts() {
  trap allow_service_starts EXIT
  trap 'exit 130' INT TERM HUP
  if [ -e "$policy" ] && ! grep -qs "$mark" "$policy"; then $sudo mv "$policy" "$policy.before-e2e"; fi
  printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" | $sudo tee "$policy" >/dev/null
  $sudo chmod 755 "$policy"
}

allow_service_starts() {
  trap - EXIT INT TERM HUP
  if grep -qs "$mark" "$policy"; then $sudo rm -f "$policy"; fi
  if [ -e "$policy.before-e2e" ]; then $sudo mv "$policy.before-e2e" "$policy"; fi
}

# Only where systemd runs; elsewhere policy-rc.d is enough.
active_services() {
  if ! [ -d /run/systemd/system ]; then return; fi
  for service in $services; do
    if systemctl --quiet is-active "$service" || systemctl --quiet is-enabled "$service" 2>/dev/null; then
      printf '%s ' "$service"
    fi
  done
}

stop_new_services() {
  if ! [ -d /run/systemd/system ]; then return; fi
  for service in $services; do
    case " $1 " in *" $service "*) continue ;; esac
    if $sudo systemctl --quiet disable --now "$service" 2>/dev/null; then say "left stopped: $service"; fi
  done
}

# Shows what a command printed only when it fails.
quietly() {
  if output=$("$@" 2>&1); then return; fi
  printf '%s\n' "$output" >&2
  return 1
}

say() { printf 'e2e-setup: %s\n' "$*"; }
fail() { printf 'e2e-setup: %s\n' "$*" >&2; exit 1; }

main
