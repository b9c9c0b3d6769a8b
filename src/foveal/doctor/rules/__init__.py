"""One illness a file: when it is there, what speaks for it, what causes it, what cures it."""
