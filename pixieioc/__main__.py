"""`python -m pixieioc`."""

from pixieioc.cli import main

if __name__ == "__main__":
    main()
