# Commands that cannot be audited, and what is said of them; a program's own output and failure pass through.
if grep -q __asan_init "$(command -v ingot)"; then
    echo "a sanitized program needs more address space than this test leaves it" >&2
    exit 77
fi
status() { "$@" || echo "status $?"; }
short='s/ran for .*: too short/ran for N s: too short/; s/about [0-9.]* s/about N s/'
{
    status ingot audit -- no-such-program-here
    status ingot audit -- ./README.md
    status ingot audit -- /
    status ingot audit -- echo one two
    status ingot audit -- sh -c 'echo to stderr >&2; exit 3'
    status ingot audit -- sh -c 'kill -9 $$'
    status ingot audit -- sh -c 'ulimit -v 200000; exec ingot-hostload stream 1' # more memory than there is
    status ingot audit --skip 100 -- sleep 0.2
    status ingot audit --
    status ingot audit a.json b.json
    printf '{"ingot_report": 1, "host": {"engine": "wafer"}}' >"$T/wafer.json"
    status ingot audit "$T/wafer.json"
    printf '{"ingot_report": 1, "host": ' >"$T/cut.json"
    status ingot audit "$T/cut.json"
    printf 'build_commit,model_filename,model_size,n_prompt,n_gen,avg_ts\nx,m,1000000000,0,10,8\n' >"$T/bench.csv"
    ingot audit --gbs 5 "$T/bench.csv" | head -3
} 2>&1 | sed "$short"
