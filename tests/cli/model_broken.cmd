# Damaged files are refused with the place and the reason.
tiny=data/models/untrained-tiny.gguf
head -c 1000 $tiny >$T/short.gguf
head -c 200000 $tiny >$T/cut.gguf
echo '{"not": "a model"}' >$T/text.gguf
: >$T/empty.gguf
for f in short cut text empty; do ingot model info $T/$f.gguf || echo "status $?"; done
ingot model info $T || echo "status $?"
