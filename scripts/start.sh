#!/bin/sh
# npm start: sets up whatever is missing, starts the cloud, and shows it with examples/hello. `--once` ends afterwards.
set -eu
here=$(dirname "$0")
sh "$here/with-node.sh" scripts/setup.ts
exec sh "$here/with-node.sh" scripts/demo.ts "$@"
