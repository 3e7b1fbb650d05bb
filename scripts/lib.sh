# Shared by the scripts beside it; sourced, never run.
# shellcheck shell=bash disable=SC2034  # what is set here is used by those that source it
#
# Nothing is ever written into the tree: builds, tools, jars and the Python
# environment live in the cache, so a clone stays clean and a new clone is warm.

set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
GAVEL_CACHE=${GAVEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gavel}
# An already set CARGO_TARGET_DIR is kept.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$GAVEL_CACHE/target}
# Python leaves no bytecode in the tree either.
PYTHONDONTWRITEBYTECODE=1
export ROOT GAVEL_CACHE CARGO_TARGET_DIR PYTHONDONTWRITEBYTECODE

CARGO_DENY_VERSION=0.20.2
CARGO_DENY=$GAVEL_CACHE/tools/cargo-deny-$CARGO_DENY_VERSION/bin/cargo-deny
REQUIREMENTS=$ROOT/tests/requirements.txt

say() { printf "%s\n" "$@" >&2; }
die() {
    say "$(basename -- "$0"): $*"
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

# The Python environment belongs to one interpreter and one requirements file:
# when either changes, another one is made.
python_env() {
    local key
    key=$({ python3 --version && cat "$REQUIREMENTS"; } | sha256sum | cut -c1-12)
    printf '%s\n' "$GAVEL_CACHE/python-$key"
}
