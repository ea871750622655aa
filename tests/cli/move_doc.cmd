# Every command of docs/should-i-move.md prints what the page says.
export INGOT_DATA="$PWD/data"
mkdir "$T/move"
tests/doc docs/should-i-move.md "$T/move"
