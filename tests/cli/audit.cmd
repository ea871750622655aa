# A trace judged, in text, JSON and HTML; exit statuses; what is no trace, or not a whole one, is refused with the way on.
export INGOT_DATA=data
status() { "$@"; echo "status $?"; }
steps=tests/data/audit/steps.json
status ingot audit "$steps" --top 3
status ingot audit "$steps" --no-annotations | head -2
ingot audit "$steps" -b 8 --fail-above 0.9 >"$T/quiet"; echo "status $?"
ingot audit "$steps" --fail-above 0.6 >"$T/quiet"; echo "status $?"
ingot audit "$steps" --json --html "$T/page.html" >"$T/report.json"
tr ',{' '\n\n' <"$T/report.json" | grep -E '^"(verdict|about|share|share_low|share_high|total_ns|host_link|device_memory)":' | head -8
grep -c "<svg" "$T/page.html"
grep -c -i -E "<script|https?://|src=" "$T/page.html"
gzip -c "$steps" >"$T/steps.json.gz"
ingot audit "$T/steps.json.gz" | head -1
sed '$d' "$steps" | sed '$d' | head -20 >"$T/cut.json"
status ingot audit --partial "$T/cut.json" | grep -E "verdict|middle|status"
{
    head -c 400 "$T/steps.json.gz" >"$T/cut.json.gz"
    : >"$T/empty.json"
    echo '{"traceEvents": 3}' >"$T/other.json"
    echo 'hello' >"$T/hello.txt"
    printf 'SQLite format 3\0and no more' >"$T/broken.sqlite"
    echo '[{"ph":"X","cat":"cpu_op","name":"aten::mm","pid":1,"tid":1,"ts":1,"dur":5,"args":{}}]' >"$T/cpu.json"
    status ingot audit "$T/cut.json"
    status ingot audit "$T/cut.json.gz"
    status ingot audit "$T/empty.json"
    status ingot audit "$T/other.json"
    status ingot audit "$T/hello.txt"
    status ingot audit "$T/broken.sqlite"
    status ingot audit "$T/absent.json"
    status ingot audit "$T"
    status ingot audit "$T/cpu.json"
    status ingot audit "$steps" --device 3
    status ingot audit "$steps" -M no-such
    status ingot audit "$steps" -M cs3
    status ingot audit "$steps" -m no-such-model
    status ingot audit
} 2>&1
