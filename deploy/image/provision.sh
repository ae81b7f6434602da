#!/bin/bash
# Makes a Debian 12 or Ubuntu 22.04 (or newer) system a Gitspace VM: container image, cloud image or any VM. Run as root;
# running it again changes nothing. Certificates of a company lie as *.crt in the folder `certificates` beside it.
#   provision.sh                          the packages and settings alone (the container image)
#   provision.sh --tree FILE [--systemd]  also unpacks /opt/gitspaces from FILE; --systemd installs and enables the units
set -euo pipefail
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=
systemd=
while (($# > 0)); do
  case $1 in
  --tree) tree=${2:?--tree needs a file} && shift 2 ;;
  --systemd) systemd=yes && shift ;;
  *) echo "provision.sh: unknown option $1" >&2 && exit 2 ;;
  esac
done
if ((EUID != 0)); then echo "provision.sh: run it as root" >&2 && exit 1; fi

export DEBIAN_FRONTEND=noninteractive
packages=(
  ca-certificates dnsmasq-base e2fsprogs git git-lfs iproute2 iptables openssh-client openssh-server perl-base
  procps tini util-linux xz-utils
)

has_candidate() { apt-cache policy "$1" | grep -q 'Candidate: [^(]'; }

# The newest engine whose source this system has, with what the distribution has of buildx and Compose.
choose_engine() {
  if has_candidate docker-ce; then
    packages+=(docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin)
    return
  fi
  packages+=(docker.io)
  if has_candidate docker-buildx; then packages+=(docker-buildx); fi
  if has_candidate docker-compose-v2; then packages+=(docker-compose-v2); else packages+=(docker-compose); fi
}

install_packages() {
  apt-get -qq -o Acquire::Retries=3 update
  choose_engine
  apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${packages[@]}" >/dev/null
}

trust_certificates() {
  local file
  for file in "$here"/certificates/*.crt; do
    if [[ -e $file ]]; then install -D -m 0644 "$file" "/usr/local/share/ca-certificates/gitspaces-${file##*/}"; fi
  done
  update-ca-certificates >/dev/null
}

# Programs that raise rights are of no use on a VM whose only users are root and containers; an operator's sudo stays.
drop_setuid() {
  local file
  find / -xdev \( -path /proc -o -path /sys -o -path /var/lib/docker -o -path /home \) -prune \
    -o -type f -perm /6000 -print0 |
    while IFS= read -r -d '' file; do
      case $file in
      */sudo | */dbus-daemon-launch-helper | */polkit-agent-helper-1 | */pkexec) ;;
      *) chmod ug-s "$file" ;;
      esac
    done
}

configure() {
  install -D -m 0644 "$here/files/sshd.conf" /etc/ssh/sshd_config.d/10-gitspaces.conf
  install -D -m 0644 "$here/files/daemon.json" /etc/docker/daemon.json
  # Every system makes its own; those of an image would be everybody's.
  if [[ -z $systemd ]]; then rm -f /etc/ssh/ssh_host_*; fi
  install -d -m 0700 /etc/gitspaces /var/lib/gitspaces/state
  # Clones are made by a user who has to pass through.
  install -d -m 0755 /home-disk /opt/gitspaces /var/lib/gitspaces /var/lib/gitspaces/images
}

unpack_tree() {
  tar -xf "$tree" -C /opt/gitspaces --no-same-owner
  # A first run fills the compile cache, so that no agent's start waits for it.
  /opt/gitspaces/bin/warm
}

install_units() {
  # The engine runs when the agent wants it, by a unit of ours: a socket's unit would wake it at every look.
  if [[ -d /run/systemd/system ]]; then systemctl stop --quiet docker.socket docker.service containerd.service; fi
  systemctl mask --quiet docker.service docker.socket containerd.service
  install -m 0644 -t /etc/systemd/system "$here"/systemd/*.service
  install -D -m 0644 -t /etc/udev/rules.d "$here"/systemd/*.rules
  install -D -m 0644 "$here/systemd/ssh.conf" /etc/systemd/system/ssh.service.d/gitspaces.conf
  systemctl enable --quiet gitspaces-agent.service gitspaces-firewall.service gitspaces-metadata.service \
    gitspaces-home-disk.service
  if [[ -d /run/systemd/system ]]; then systemctl daemon-reload; fi
}

install_packages
trust_certificates
configure
if [[ -n $tree ]]; then unpack_tree; fi
if [[ -n $systemd ]]; then install_units; fi
drop_setuid
apt-get -qq clean
rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
