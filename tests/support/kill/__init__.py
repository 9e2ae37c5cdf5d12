"""Kill the command at each of its API calls and check what the next command does."""
