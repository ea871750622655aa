# What the shipped tiny model holds, for people and for programs.
ingot model info data/models/untrained-tiny.gguf
ingot model info data/models/untrained-tiny.gguf --json
ingot model info data/models/untrained-tiny.gguf --tensors | tail -n 3
