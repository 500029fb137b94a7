#!/bin/sh
# Starts the server; sets up the environment first if needed. Options: ./run.sh --help
set -eu
cd "$(dirname "$0")"
[ -e .venv/.installed ] || make setup >&2
exec .venv/bin/moonjelly serve "$@"
