# Installing what is missing, for bin/up and bin/test. Sourced, with `root` (the checkout) and `json` (set: failures as JSON) set.
# shellcheck shell=bash

cache_folder=${GITSPACES_CACHE_FOLDER:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/gitspaces}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# What the daemons and VMs run, then what the image's native parts are built with.
run_packages=(
  redis-server git bubblewrap iproute2 iptables openssh-server procps util-linux python3 ca-certificates
  make g++ pkg-config libkrb5-dev libsecret-1-dev
)

# With VMs as containers the walls between them are the engine's affair.
# shellcheck disable=SC2034
docker_packages=(
  redis-server git procps python3 ca-certificates
  make g++ pkg-config libkrb5-dev libsecret-1-dev
)

say() { printf '%s\n' "$*" >&2; }

# Ends the command with a message that names the cure.
give_up() {
  if [[ -n ${json-} ]]; then
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\t'/ }
    text=${text//$'\r'/}
    printf '{"failure":{"code":"unsupported","message":"%s","retry":"never"}}\n' "${text//$'\n'/\\n}"
  else
    say "$1"
  fi
  exit 1
}

# A package counts as there when what is used of it is there, however it came.
has_package() {
  case $1 in
    redis-server | git | iptables | python3 | make | g++ | pkg-config | chromium | debootstrap | curl | rsync | ssh-audit) command -v "$1" ;;
    # Beside another distribution of the engine apt-get would remove that one, with whatever runs in it.
    docker.io) command -v docker && command -v dockerd ;;
    docker-compose) command -v docker-compose || docker compose version ;;
    bubblewrap) command -v bwrap ;;
    iproute2) command -v ip ;;
    procps) command -v ps ;;
    openssh-client) command -v ssh && command -v ssh-keygen && command -v sftp ;;
    util-linux) command -v nsenter && command -v setpriv ;;
    ca-certificates) [[ -s /etc/ssl/certs/ca-certificates.crt ]] ;;
    libkrb5-dev) command -v pkg-config && pkg-config --exists krb5-gssapi ;;
    libsecret-1-dev) command -v pkg-config && pkg-config --exists libsecret-1 ;;
    *) dpkg-query --show --showformat '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii' ;;
  esac >/dev/null 2>&1
}

# install_debian PACKAGE... : installs those that are missing, as root; says the exact line otherwise.
install_debian() {
  local package missing=()
  for package in "$@"; do has_package "$package" || missing+=("$package"); done
  ((${#missing[@]})) || return 0

  local line="apt-get update && apt-get install --yes --no-install-recommends ${missing[*]}"
  if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    give_up "Missing: ${missing[*]}. Install them as root, then run this again:
  $line"
  fi

  say "Installing ${missing[*]} ..."
  mkdir -p "$cache_folder"
  local log=$cache_folder/apt.log
  hold_services
  # A machine that has just booted may be installing its updates, and a mirror may be slow to answer.
  local patient=(-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
  if ! {
    apt-get "${patient[@]}" update &&
      DEBIAN_FRONTEND=noninteractive apt-get "${patient[@]}" install --yes --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1; then
    release_services
    give_up "apt-get could not install ${missing[*]}. The end of $log:
$(tail -n 8 "$log")"
  fi
  release_services
  if [[ " ${missing[*]} " == *" redis-server "* ]]; then retire redis-server >>"$log" 2>&1; fi
  if [[ " ${missing[*]} " == *" openssh-server "* ]]; then retire ssh >>"$log" 2>&1; fi
}

# Debian's own Redis is of no use here and would take port 6379, now or at the next boot. Of OpenSSH only the program is wanted:
# nobody asked for a machine that takes logins.
retire() {
  if [[ -d /run/systemd/system ]]; then systemctl disable --now "$1" || true; fi
  if command -v update-rc.d; then update-rc.d "$1" disable || true; fi
}

# Debian starts a service as it installs it, unless policy-rc.d says no.
policy=/usr/sbin/policy-rc.d
held=
hold_services() {
  [[ -e $policy ]] && return 0
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  held=yes
  trap release_services EXIT
}
release_services() {
  [[ -n $held ]] && rm -f "$policy"
  held=
}

# install_npm : node_modules as package-lock.json has it. A finished installation leaves a mark.
install_npm() {
  local lock=$root/package-lock.json mark=$root/node_modules/.gitspaces-lock digest
  digest=$(sha256sum <"$lock")
  [[ -r $mark && $(<"$mark") == "$digest" ]] && return 0
  # npm writes its own copy of the lock at the end of every installation: somebody ran npm by hand.
  [[ $root/node_modules/.package-lock.json -nt $lock && -x $root/node_modules/.bin/node ]] && return 0

  command -v npm >/dev/null || give_up "npm is not installed. It comes with Node.js 20 or later; as root: apt-get install npm"
  say "Installing npm packages (about a minute the first time) ..."
  mkdir -p "$cache_folder" 2>/dev/null || cache_folder=$(mktemp -d)
  local log=$cache_folder/npm.log
  # Not `npm ci`: it refuses a lock made where a registry does not carry the optional parts of other systems. Versions and
  # digests are the lock's all the same, the lock is not written, and an update fetches only what changed.
  if ! (cd "$root" && npm install --no-save --no-audit --no-fund --loglevel=error) >"$log" 2>&1; then
    # npm says what is wrong first and how to ask for help last.
    give_up "npm could not install the packages. From $log:
$(grep '^npm error' "$log" | head -n 8 || tail -n 8 "$log")"
  fi
  [[ -x $root/node_modules/.bin/node ]] || give_up "There is no Node.js 24 for this machine ($(uname -sm)); Linux on x64 or arm64 is needed."
  printf '%s\n' "$digest" >"$mark"
}
