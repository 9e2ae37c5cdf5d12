"""A module without the function that rows are given to."""

NAME = "depots"
