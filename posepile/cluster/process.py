"""Recognising a process again, also after its number went to another one."""

import os


def identity(pid) -> dict:
    """What is needed to recognise the process ``pid`` of this host later, as JSON."""
    return {'host': hostname(), 'pid': pid, 'start': start_mark(pid)}


def is_alive(process) -> bool:
    """Whether the process of :func:`identity` still runs. Only for processes of this host."""
    mark = start_mark(process['pid'])
    return mark is not None and mark == process['start']


def hostname() -> str:
    return os.uname().nodename


def start_mark(pid) -> str | None:
    """When the process ``pid`` started, as an opaque text; None if it has ended.

    A process that has ended but was not waited for (a zombie) counts as ended.
    """
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as f:
            # The second field is the command in parentheses and may itself hold any character.
            fields = f.read().rpartition(')')[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in 'ZX':
        return None
    return f'{_boot_id()}:{fields[19]}'


def _boot_id():
    # Start times count from boot, so that after a reboot another process may have the same one.
    path = '/proc/sys/kernel/random/boot_id'
    if not os.path.exists(path):  # some sandboxes
        return ''
    with open(path, encoding='ascii') as f:
        return f.read().strip()
