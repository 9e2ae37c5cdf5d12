"""The stages of a command, one module each. They share the `Context`."""
