# Two pulls of one file at once: one waits for the other, both succeed, the file is whole.
. tests/cli/serve.sh
serve
for i in 1 2 3 4; do ingot model pull "$url/x.gguf" >"$T/said-$i" 2>&1 || echo "status $?" & pulls="$pulls $!"; done
wait $pulls
cmp "$T/www/x.gguf" "$T/home/models/x.gguf" && echo same
cat "$T/log"
grep -c "was there already" "$T/said-1" "$T/said-2" "$T/said-3" "$T/said-4" | sed 's/.*://' | sort
ls "$T/home/models"
