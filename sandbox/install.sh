#!/bin/sh
# Makes the virtual environment and installs the project from its hashed lock files.
#
#   sh sandbox/install.sh run    what `make demo` and `make up` need
#   sh sandbox/install.sh dev    that, and what tests and checks need
#
# What is there is kept when it was made from the same files. uv is used where it is on the PATH, else pip.
# Settings: VENV (folder, default .venv), PYTHON (the interpreter to start from, default: the newest found).
set -eu
cd "$(dirname "$0")/.."

kind=${1:-run}
venv=${VENV:-.venv}
case $kind in
    run) lock=requirements.lock ;;
    dev) lock=requirements-dev.lock ;;
    *) echo "install.sh: say 'run' or 'dev', not '$kind'" >&2; exit 2 ;;
esac

say() { printf '==> %s\n' "$*"; }
fail() { printf 'orderwright: %s\n' "$*" >&2; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        if command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    if [ -n "${PYTHON:-}" ]; then
        fail "PYTHON=$PYTHON is no Python 3.11 or newer; name one by its path, or leave it out"
    fi
    found=$(python3 --version 2>/dev/null || echo 'no Python at all')
    fail "Python 3.11 or newer is needed and was not found on the PATH (found: $found)." \
        "Install it (Debian: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.11"
}

fingerprint() { cat "$lock" pyproject.toml sandbox/install.sh | cksum; }

stamp=$venv/.installed-$kind
if [ -x "$venv/bin/python" ] && new_enough "$venv/bin/python" && [ "$(cat "$stamp" 2>/dev/null)" = "$(fingerprint)" ]; then
    exit 0
fi

started=$(date +%s)
if ! { [ -x "$venv/bin/python" ] && new_enough "$venv/bin/python"; }; then
    python=$(find_python)
    say "making $venv with $("$python" --version)"
    rm -rf "$venv"
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv"
    elif command -v uv >/dev/null 2>&1; then
        uv venv --quiet --python "$python" "$venv"
    else
        fail "$python cannot make virtual environments and uv is not on the PATH." \
            "Install one of them (Debian: apt-get install python3-venv)"
    fi
fi

install() {
    if command -v uv >/dev/null 2>&1; then
        # uv does not read pip's configuration file: where only pip knows the package index, pip does it.
        if uv pip install --python "$venv/bin/python" "$@"; then return; fi
        say "uv could not; trying pip"
    fi
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        fail "the packages could not be installed and pip is missing in $venv; see the message above"
    fi
    "$venv/bin/python" -m pip install --disable-pip-version-check "$@" ||
        fail "the packages could not be installed; see the message above (is a Python package index within reach?)"
}

say "installing from $lock (a few minutes the first time)"
install --require-hashes -r "$lock"
say "installing the project itself"
install --no-deps -e .
fingerprint >"$stamp"
say "ready after $(($(date +%s) - started)) s"
