"""The stages of a command, each a module: what they share is the `Work`."""
