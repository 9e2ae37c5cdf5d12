"""One module per step type. A new one is a module here and a line in `api`."""
