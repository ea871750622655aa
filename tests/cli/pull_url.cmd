# Whole downloads: plain, redirected, absent; a redirect to a local file is refused.
. tests/cli/serve.sh
serve
ingot model pull $url/moved/x.gguf?token=1
cmp $T/www/x.gguf $T/home/models/x.gguf && echo same
ingot model pull $url/y.gguf 2>/dev/null || echo "status $?"
ingot model pull --again $url/local/x.gguf 2>/dev/null || echo "status $?"
ingot model pull --again file://$T/www/x.gguf
cat $T/log
ls $T/home/models
