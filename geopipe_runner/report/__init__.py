"""What the user sees: events in, text out. Nothing here decides anything or calls AWS."""
