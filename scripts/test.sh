#!/bin/sh
# npm test: sets up whatever is missing, then everything that must hold. Ends at the first kind of check that fails.
set -eu
cd "$(dirname "$0")/.."
sh scripts/with-node.sh scripts/setup.ts --for test
echo '== lint and format' && node_modules/.bin/biome check .
echo '== types' && node_modules/.bin/tsc --noEmit
echo '== unit and cluster tests'
exec sh scripts/with-node.sh scripts/unit-tests.ts --all
