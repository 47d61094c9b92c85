"""`python -m dlnotes` is `dlnotes`."""

from dlnotes.cli import main

if __name__ == "__main__":
    main()
