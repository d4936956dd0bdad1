"""What the operating system refuses, in words: disk full, no permission. Anything else is a bug and keeps its traceback."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from a3t.errors import NO_SPACE

_ELSEWHERE = {
    **dict.fromkeys(("run", "compare", "doctor", "estimate", "pretrain"), "--out"),
    "data": "--to",
    "evaluate": "--json and --records",
    "play": "--record",
    "serve": "--folder",
}
"""The option that names the place a command writes to; all others have it as an argument."""


def explain_os_error(error: OSError, command: Sequence[str] = ()) -> str | None:
    """One message, or None where it is not the user's to mend.

    Args:
        command: the arguments of the command line, so that the hint names an option that it has.
    """
    where = f" ({error.filename})" if error.filename else ""
    option = _ELSEWHERE.get(command[0] if command else "")
    elsewhere = f"Choose another place with {option}." if option else "Name another file or folder."
    if error.errno in NO_SPACE:
        return f"DiskFullError: no space is left{where}. What was acknowledged is safe.\n  Make room, then: a3t resume DIR"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"PermissionError: may not write or read{where}.\n  {elsewhere}"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"NotADirectoryError: a file stands where a folder is needed{where}.\n  {elsewhere}"
    if error.errno == errno.EISDIR:
        return f"IsADirectoryError: a folder stands where a file is needed{where}.\n  {elsewhere}"
    if error.errno == errno.ENAMETOOLONG:
        return f"NameTooLongError: a name is longer than the disk allows{where}.\n  {elsewhere}"
    if error.errno == errno.ENOENT:
        return f"FileNotFoundError: {error.strerror}{where}."
    return None
