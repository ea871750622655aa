# A program bound by arithmetic and one bound by memory are told apart. On a machine too busy to judge there is no verdict
# (4) and the test is skipped; what must never be is the wrong one.
judge() {
    ingot audit -o "$T/$1.txt" -- ingot-hostload "$1" "$2" 2>/dev/null
    status=$?
    case $status in
    "$3") echo "$1: as it should be" ;;
    4) echo "$1: $(head -1 "$T/$1.txt")" >>"$T/unsure" ;;
    *) echo "$1: status $status, $(head -2 "$T/$1.txt")" ;;
    esac
}
judge gemm 3 0
judge stream 3 3
if [ -e "$T/unsure" ]; then
    cat "$T/unsure" >&2
    exit 77
fi
