"""`python -m foveal` is `foveal`."""

from .terminal.app import main

if __name__ == "__main__":
    raise SystemExit(main())
