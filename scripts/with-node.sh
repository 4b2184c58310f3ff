#!/bin/sh
# Runs a TypeScript file of this repository on the Node that package-lock.json pins: with-node.sh FILE [ARG …]
# The machine's own Node (>= 20) is only needed to fetch that one.
set -eu

self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in /*) self=$link ;; *) self=$(dirname "$self")/$link ;; esac
done
root=$(CDPATH='' cd -- "$(dirname "$self")/.." && pwd -P)
node=$root/node_modules/.bin/node
stamp=$root/node_modules/.installed-lock # a copy of the lock file that node_modules was installed from

fail() {
  printf '%s\n  %s\n  %s\n' "littlecloud: $1" "$2" "$3" >&2
  exit 1
}

# npm keeps its own list of what lies in node_modules: after an `npm install` by hand nothing is left to do.
installed() {
  [ -x "$node" ] || return 1
  "$node" -e '
    const { packages: want } = require(process.argv[1] + "/package-lock.json")
    const { packages: have } = require(process.argv[1] + "/node_modules/.package-lock.json")
    const there = ([path, entry]) => path === "" || entry.optional || have[path]?.version === entry.version
    process.exit(Object.entries(want).every(there) ? 0 : 1)' "$root" 2>/dev/null
}

install_modules() {
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
    fail "this machine is $(uname -s) on $(uname -m)" 'The microVMs are for Linux on x86-64 only so far.' \
      'Use a Debian 12 machine with a 64-bit Intel or AMD CPU.'
  command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 ||
    fail 'Node.js or npm is missing' 'They fetch the rest, a newer Node included.' \
      'Install Node.js 20 or later with npm, then repeat the command.'
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge 20 ] ||
    fail "Node.js is $(node --version), 20 is the oldest that works" "Found at $(command -v node)." \
      'Install Node.js 20 or later, then repeat the command.'
  echo 'littlecloud: installing the node modules that package-lock.json names (about 300 MB, with the pinned Node)' >&2
  (cd "$root" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 ||
    fail 'npm ci failed' 'Its message is above; mostly the registry cannot be reached or the disk is full.' \
      'Put that right, then repeat the command.'
}

# The one library of that Node which a small Debian lacks; the set-up, written for that Node, would come too late.
install_library() {
  "$node" --version >/dev/null 2>&1 && return 0
  next='Install the Debian package libatomic1 as root, then repeat the command.'
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 ||
    fail "the pinned Node does not start" "$("$node" --version 2>&1 | head -n 1)" "$next"
  echo 'littlecloud: installing the Debian package libatomic1 (the pinned Node needs it)' >&2
  apt-get update -q >/dev/null 2>&1 || true # an old list may still do
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libatomic1 >/dev/null 2>&1 || true
  "$node" --version >/dev/null 2>&1 ||
    fail "the pinned Node does not start" "$("$node" --version 2>&1 | head -n 1)" "$next"
}

if ! cmp -s "$root/package-lock.json" "$stamp"; then
  exec 9<"$root/package-lock.json"
  flock 9 # two commands at once: the second waits for the first and then finds the work done
  if ! cmp -s "$root/package-lock.json" "$stamp"; then
    installed || install_modules
    install_library
  fi
  cp "$root/package-lock.json" "$stamp" 2>/dev/null || true # not ours to write: checked again the next time
  exec 9<&-
fi

file=$1
shift
case $file in /*) ;; *) file=$root/$file ;; esac
exec "$node" "$file" "$@"
