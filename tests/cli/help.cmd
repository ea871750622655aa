# The list of commands, and one command's options, come from the tables.
ingot help model pull
ingot model info --help
