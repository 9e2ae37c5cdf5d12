"""Decides which calls a caller may make, from the IAM policies of the emulated account."""
