"""What a run looks like on a terminal or in a log."""
