"""Jobs that run for real: a local process in place of a container, with the files and variables that AWS gives it."""
