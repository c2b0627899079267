"""Runs a command that dies with the process that asked for it; Linux only.

Started as a script, because between fork and exec little is safe to do in a process with threads. The
command replaces this script, so its process id is the one that the parent knows.
"""

from __future__ import annotations

import ctypes
import os
import sys

_SET_PARENT_DEATH_SIGNAL = 1


def main(parent: int, death_signal: int, user: int, group: int, command: list[str]) -> None:
    """Change the user where one is named (0: stay), then become the command."""
    if user:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    # After the change of user, which would clear it.
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, death_signal)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 -- no shell is what is wanted


if __name__ == "__main__":
    _parent, _signal, _user, _group = map(int, sys.argv[1:5])
    main(_parent, _signal, _user, _group, sys.argv[5:])
