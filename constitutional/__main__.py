"""``python -m constitutional``"""

from constitutional.cli import main

if __name__ == "__main__":
    main()
