#!/usr/bin/env bash
# Shows that the simulation finds bugs: each patch of tests/simulation/mutations breaks one mechanism, in a copy of the
# tree, and the simulation has to fail there within the usual number of seeds. Prints a table, and what failed; ends with
# an error if a mutation goes unseen.
#
#   tests/simulation/mutate.sh            all of them
#   tests/simulation/mutate.sh 04 09      some
#
# Everything is built once more, below target/mutations: some ten minutes the first time.
set -euo pipefail
cd "$(dirname "$0")/../.."
copy=target/mutations/tree
seeds=${TIERMESH_SEEDS:-2000}
mkdir -p "$copy"
tar cf - --exclude=./target --exclude=./.git . | tar xf - -C "$copy"
# What an earlier run left built of a mutation is older than this.
sed -n 's|^+++ b/||p' tests/simulation/mutations/*.patch | sort -u | (cd "$copy" && xargs touch)

unseen=0
details=""
printf '%-36s %10s %10s %12s\n' mutation "by seed" "seeds run" operations
for patch in tests/simulation/mutations/*.patch; do
  name=$(basename "$patch" .patch)
  if (($#)) && [[ " $* " != *" ${name%%-*} "* ]]; then continue; fi
  patch --quiet -p1 -d "$copy" <"$patch"
  output=$(CARGO_TARGET_DIR=$PWD/target/mutations/target TIERMESH_SEEDS=$seeds RUST_BACKTRACE=0 \
    cargo test --manifest-path "$copy/Cargo.toml" -p tiermesh --test simulation whatever_happens -- --nocapture 2>&1) || true
  patch --quiet -R -p1 -d "$copy" <"$patch"
  runs=$(sed -n 's/^\([0-9]*\) seeds; taken:$/\1/p' <<<"$output" | head -1)
  found=$(sed -n 's/^seed \([0-9]*\): .*/\1/p' <<<"$output" | head -1)
  size=$(sed -n 's/.* fails (\([0-9]*\) operations).*/\1/p' <<<"$output" | head -1)
  if [ -z "$runs" ]; then
    echo "$name could not be built or run:" >&2
    tail -30 <<<"$output" >&2
    exit 1
  fi
  [ -n "$found" ] || unseen=$((unseen + 1))
  printf '%-36s %10s %10s %12s\n' "$name" "${found:-UNSEEN}" "$runs" "${size:--}"
  details+=$(printf '\n%s\n' "$name" && sed -n '/^seed [0-9]*: /,/^in /p' <<<"$output" | sed '/^in /,$d')$'\n'
done
echo "$details"
exit $((unseen > 0))
