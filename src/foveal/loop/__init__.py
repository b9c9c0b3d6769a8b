"""The training loop and what it is made of: `fit` is read top to bottom, all else is called by it."""
