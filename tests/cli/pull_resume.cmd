# A download that breaks off is continued: by the same pull, and by the next one; from the start when the file has changed.
. tests/cli/serve.sh
get() { ingot model pull --again "$url/x.gguf" >/dev/null 2>&1 || echo "status $?"; }
check() { cmp "$T/www/x.gguf" "$T/home/models/x.gguf" && echo same; cat "$T/log"; rm "$T/log"; ls "$T/home/models"; }
echo "--- in pieces"
serve 100000 && get && check
echo "--- the server dies, the next pull continues"
serve 100000 die && get && cat "$T/log" && rm "$T/log" && ls "$T/home/models"
serve && get && check
echo "--- the file changed before the next pull"
serve 100000 die && get && rm "$T/log"
printf GGUFchanged >"$T/www/x.gguf"
serve && get && check
