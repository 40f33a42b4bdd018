#!/bin/sh
# Installs what the end-to-end tests need on Debian 12: container engines, registries, web servers, crane and emulators of static hosts.
#
# Safe to run again: what is there is left alone, and a run that finds everything takes about a second.
# Starts no service, and stops those that a package starts while being installed.
# Prints one line for each thing it did. Needs root, or sudo.
#
#   GOBIN   where crane goes (default: ~/go/bin, where the tests look too)
set -eu

packages='
  docker.io docker-compose containerd crun podman skopeo buildah uidmap fuse-overlayfs iptables
  docker-registry openssl nginx apache2 apache2-utils caddy
  busybox-static debootstrap wrk
  ca-certificates curl jq xz-utils
'
# Services of these packages; none may run or be started at boot because of this script.
services='docker.socket docker containerd docker-registry nginx apache2 apache-htcacheclean caddy podman.socket podman podman-auto-update.timer podman-restart'

crane_module=github.com/google/go-containerregistry/cmd/crane
crane_version=v0.22.1
crane_needs_go=1.25

policy=/usr/sbin/policy-rc.d
policy_mark='registrish e2e-setup'

main() {
  missing=$(missing_packages)
  if [ -n "$missing" ]; then install_packages "$missing"; fi
  ensure_package_lists
  ensure_crane
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

ensure_crane() {
  folder=${GOBIN:-$HOME/go/bin}
  if [ -x "$folder/crane" ] && [ "$("$folder/crane" version)" = "$crane_version" ]; then return; fi
  require_go
  quietly env GOBIN="$folder" go install "$crane_module@$crane_version"
  say "installed: crane $crane_version in $folder"
}

require_go() {
  if ! command -v go >/dev/null; then
    fail "crane is built by Go $crane_needs_go or later and there is no go here (Debian 12's golang is too old): install one"
  fi
  found=$(go env GOVERSION)
  oldest=$(printf '%s\n%s\n' "$crane_needs_go" "${found#go}" | sort -V | head -n 1)
  if [ "$oldest" != "$crane_needs_go" ]; then
    fail "crane is built by Go $crane_needs_go or later, this is $found: install a newer one"
  fi
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
    fail 'packages are missing; run this as root, or install sudo'
  fi
}

# Package scripts ask policy-rc.d whether they may start their service; 101 says no. What stood there comes back.
forbid_service_starts() {
  trap allow_service_starts EXIT
  trap 'exit 130' INT TERM HUP
  if [ -e "$policy" ] && ! grep -qs "$policy_mark" "$policy"; then $sudo mv "$policy" "$policy.before-e2e"; fi
  printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" | $sudo tee "$policy" >/dev/null
  $sudo chmod 755 "$policy"
}

allow_service_starts() {
  trap - EXIT INT TERM HUP
  if grep -qs "$policy_mark" "$policy"; then $sudo rm -f "$policy"; fi
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
