"""`python -m headrace.cli`, for when the `headrace` script is not on the path."""

from headrace.cli.main import main

if __name__ == "__main__":
    main()
