"""One module per kind of AWS resource; `registry.py` lists them. A new kind is a module and a line there."""
