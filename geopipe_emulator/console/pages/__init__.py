"""What each page shows and what its buttons do, as plain data for a template."""
