"""The command line: a table of verbs, and how results are shown."""
