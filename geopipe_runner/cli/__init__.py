"""The command line: parse, run one command, set the exit code."""
