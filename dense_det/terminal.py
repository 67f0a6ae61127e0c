"""What a tool says on the terminal, and how it ends."""

import sys
from collections.abc import Iterable

MISTAKE, STOPPED = 2, 130  # exit codes


def tell(lines: Iterable[str]) -> int:
    """Print lines as a job gives them; the exit code of the tool.

    What the user can mend (ValueError, OSError, ImportError) is one line on the standard error; after Ctrl-C it is said
    that the same command goes on.
    """
    try:
        for line in lines:
            print(line, flush=True)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print("stopped; what is finished stays, the same command goes on", file=sys.stderr)
        return STOPPED
    return 0
