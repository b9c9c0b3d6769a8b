"""Ways to search: one a file."""
