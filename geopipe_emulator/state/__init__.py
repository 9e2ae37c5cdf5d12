"""Keeps the account in a folder, so that it survives a restart and a kill of the emulator.

- `folder` opens the folder: it refuses what is not ours, newer, broken, or in use by another process.
- `file` is one SQLite file with rows, and with large contents by their digest.
- `records` are the tables of our own services. Each change is written before the call that made it returns.
- `moto` saves moto's backends, before the response to each call that has changed them.

Without a folder, nothing here is imported but `records`, whose tables are then plain dicts.
"""
