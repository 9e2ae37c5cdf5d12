"""The input file: what it is, whether the job can work with it, and its conversion to what the job reads."""
