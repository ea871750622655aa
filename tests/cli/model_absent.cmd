# A name that is nothing yet: the message says how to get a model.
ingot model info smollm2 || echo "status $?"
ingot model info nothing.gguf || echo "status $?"
ingot model pull smolm2 || echo "status $?"
ingot model pull tests || echo "status $?"
