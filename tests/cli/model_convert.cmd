# A converted model opens, has the type asked for, and converting is deterministic.
tiny=data/models/untrained-tiny.gguf
ingot model convert $tiny $T/a.gguf --type q8_0 --threads 1
ingot model convert $tiny $T/b.gguf -t Q8_0 --threads 3
cmp $T/a.gguf $T/b.gguf && echo same
ingot model info $T/a.gguf | grep -A9 '  tensors'
