#!/usr/bin/env bash
# Make .venv and install dense_det, its pinned dependencies and Detectron2 in it.
# A second call is quick; an interrupted one is mended by calling again. PYTHON=python3.12 chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

stop() { printf 'set-up: %s\n' "$@" >&2; exit 1; }
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

# what was installed, and where: a changed pin or a moved checkout sets up anew
wanted=$({ pwd; cat setup.py constraints.txt tools/setup.sh tools/install_detectron2.py; } | sha256sum)
stamp=.venv/dense_det-setup
py=.venv/bin/python

if [ -n "${PYTHON:-}" ]; then
    found=$(version "$PYTHON")
    case $found in
        "") stop "PYTHON=$PYTHON is not a Python that runs" ;;
        2.* | 3.[0-9] | 3.10) stop "PYTHON=$PYTHON is Python $found; dense_det needs 3.11 or newer (tested: 3.11, 3.12)" ;;
    esac
    if [ -e $py ] && [ "$(version $py)" != "$found" ]; then
        stop ".venv has Python $(version $py), PYTHON=$PYTHON is $found: run \`make clean\` first"
    fi
fi

if [ "$(cat $stamp 2>/dev/null)" = "$wanted" ] && $py tools/install_detectron2.py --check >/dev/null 2>&1; then
    exit 0
fi

if ! $py -m pip --version >/dev/null 2>&1; then
    if [ -z "${PYTHON:-}" ]; then
        for candidate in python3 python3.12 python3.11; do
            case $(version $candidate) in 3.11 | 3.12) PYTHON=$candidate && break ;; esac
        done
        [ -n "${PYTHON:-}" ] || stop "no Python 3.11 or 3.12 found (looked for python3, python3.12, python3.11)" \
            "install one, for example: apt-get install python3 python3-venv" \
            "or name one: PYTHON=/path/to/python3.12 make setup   (newer ones may work, but are not tested)"
    fi
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || stop "$PYTHON cannot make virtual environments" \
        "run: apt-get install python$(version "$PYTHON")-venv   (with sudo if you are not root)"
    echo "set-up 1/3: .venv with Python $(version "$PYTHON")"
    "$PYTHON" -m venv .venv
fi

quiet=-qq  # its warnings, too: a log is read for errors
[ -t 1 ] && quiet=
echo "set-up 2/3: packages (torch's default build brings its CUDA libraries: about 3 GB to load, 6 GB on disk)"
$py -m pip install $quiet --disable-pip-version-check -c constraints.txt --upgrade pip
$py -m pip install $quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
echo "set-up 3/3: Detectron2"
$py tools/install_detectron2.py
printf '%s\n' "$wanted" > $stamp
