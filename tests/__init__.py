"""The tests. Helpers live in `tests.support`; no test imports another test."""
