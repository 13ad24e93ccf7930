"""``python -m quicksilver`` is the command ``quicksilver``."""

from quicksilver.cli import main

if __name__ == "__main__":
    main()
