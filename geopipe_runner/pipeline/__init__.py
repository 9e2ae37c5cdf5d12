"""The pipeline itself: its definition from a template, its executions, and the results they leave."""
