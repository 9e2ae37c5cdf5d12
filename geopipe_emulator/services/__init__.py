"""One package per emulated AWS service."""
