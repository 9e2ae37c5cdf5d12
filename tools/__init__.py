"""Programs for those who work on the project; the wheel does not carry them."""
