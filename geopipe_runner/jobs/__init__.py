"""One module per job kind; `registry.py` lists them. A new one needs a line there and a value of `job.kind`."""
