# Sourced by the tests of `ingot model pull`: serve [BREAK_AFTER_BYTES [die]] starts server.py on $T/www and sets $url, the same
# one each time; the log is $T/log. The file there, x.gguf, has 300,000 bytes.
command -v python3 >/dev/null 2>&1 || { echo "python3 is absent" >&2; exit 77; }
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
mkdir -p "$T/www"
{ printf GGUF; yes 0123456789abcdef | head -c 299996; } >"$T/www/x.gguf"
server=
stop() { [ -z "$server" ] || kill "$server" 2>/dev/null; }
trap stop EXIT
serve() {
    stop
    rm -f "$T/port.ready"
    python3 tests/cli/server.py "$T/www" "$T/port" "$@" >>"$T/log" &
    server=$!
    tries=0
    until [ -e "$T/port.ready" ] || [ $tries = 100 ]; do sleep 0.1; tries=$((tries + 1)); done
    url=http://127.0.0.1:$(cat "$T/port")
}
