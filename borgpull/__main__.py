"""`python -m borgpull`."""

from __future__ import annotations

from borgpull.cli import main

if __name__ == "__main__":
    main()
