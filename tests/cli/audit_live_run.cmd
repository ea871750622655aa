# The live audit of `ingot run`, from outside, against what the run's own report says: within ten points. On a machine too busy
# to judge the test is skipped, with the numbers; twenty-five points apart is wrong anywhere.
if grep -q __asan_init "$(command -v ingot)"; then
    echo "sanitized kernels take no time that could be compared" >&2
    exit 77
fi
skip() { echo "$*" >&2 && exit 77; }
ingot-mkmodel --arch llama --layers 12 --width 1024 --mlp 2816 --heads 16 --vocab 4096 --type Q8_0 -o "$T/m.gguf" >/dev/null || exit 1
ingot audit --skip 1.5 --json -o "$T/audit.json" -- \
    ingot run -m "$T/m.gguf" -t 1 -n 250 -p "hello there" --report json >"$T/run.json" 2>"$T/err"
status=$?
number() { grep -o "\"$1\": *[0-9.e+-]*" "$2" | head -1 | cut -d: -f2; }
said=$(number memory_bound "$T/run.json") found=$(number share "$T/audit.json")
grep -q 'too short' "$T/err" && skip "the run was too short here"
[ "$said" ] && [ "$found" ] || { cat "$T/err" && exit 1; }
apart=$(awk "BEGIN { d = 100 * ($said - $found); print int(d < 0 ? -d : d) }")
told="report $said, audit $found"
[ "$apart" -le 25 ] || { echo "$apart points apart: $told" && exit 1; }
[ $status != 4 ] || skip "no verdict on this machine: $told"
[ "$apart" -le 10 ] || skip "$apart points apart on a busy machine: $told"
echo "within ten points"
