"""Who logs in at the server of Human3.6M: from the environment, a private file, or a prompt.

Never from the command line, which every user of a machine can read.
"""

import configparser
import dataclasses
import getpass
import os
import re
import stat
import sys

from posepile.errors import BadFileError, OptionError

#: Environment variables.
EMAIL, PASSWORD, PHPSESSID = 'H36M_EMAIL', 'H36M_PASSWORD', 'H36M_PHPSESSID'
#: Section and keys of config.ini.
SECTION = 'General'
KEYS = ('email', 'password', 'PHPSESSID')
#: What PHP makes session names of; nothing else can be put into a header safely.
_SESSION_ID = re.compile(r'[A-Za-z0-9,-]{1,256}')


@dataclasses.dataclass(frozen=True)
class Credentials:
    """An account, the name of a session that is logged in already, or both. repr shows nothing."""

    email: str = dataclasses.field(default='', repr=False)
    password: str = dataclasses.field(default='', repr=False)
    session_id: str = dataclasses.field(default='', repr=False)

    def __post_init__(self):
        if self.session_id and not _SESSION_ID.fullmatch(self.session_id):
            raise OptionError(
                'The PHPSESSID that was given is none: it consists of letters, digits, commas and '
                'hyphens. Copy only the value of the cookie.'
            )

    @property
    def can_log_in(self):
        return bool(self.email and self.password)


def find_credentials(config_paths) -> Credentials:
    """Look into the environment, then the first of these files that exists, then ask.

    The environment has H36M_EMAIL and H36M_PASSWORD, or H36M_PHPSESSID. A file has a section
    ``[General]`` with the keys ``email`` and ``password``, or ``PHPSESSID``.

    Raises:
        OptionError: nothing was found and there is no terminal to ask at, or half of an account.
        BadFileError: the file can be read by others, is somebody else's, or no INI file.
    """
    found = Credentials(*(os.environ.get(name, '') for name in (EMAIL, PASSWORD, PHPSESSID)))
    if not (found.can_log_in or found.session_id):
        for path in config_paths:
            content = _read_config(path)
            if content is not None:
                found = Credentials(*(a or b for a, b in zip(content, _fields(found), strict=True)))
                break
    if found.can_log_in or found.session_id:
        return found
    return _ask(found.email)


def _fields(credentials):
    return credentials.email, credentials.password, credentials.session_id


def _read_config(path):
    """(email, password, PHPSESSID), empty where they are not given; None without a file."""
    try:
        file = open(path, encoding='utf-8')
    except FileNotFoundError:
        return None
    with file:
        status = os.fstat(file.fileno())  # of what is being read, whatever happens to the path
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise BadFileError(
                path,
                'is not read, because other users of this machine may read or change it',
                f'Run chmod 600 {path}, and change the password if others may have seen it.',
            )
        if status.st_uid not in (os.geteuid(), 0):
            raise BadFileError(path, 'is not read, because it belongs to another user')
        # What the parser says about a wrong line, it says by quoting it.
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_file(file)
        except (configparser.Error, UnicodeDecodeError):
            raise BadFileError(
                path,
                f'is no INI file with a section [{SECTION}]',
                f'It looks like this: [{SECTION}], then lines such as {KEYS[0]} = ... and '
                f'{KEYS[1]} = ..., or {KEYS[2]} = ...',
            ) from None
    return tuple(parser.get(SECTION, key, fallback='').strip() for key in KEYS)


def _ask(email):
    if not (sys.stdin and sys.stdin.isatty()):
        raise OptionError(
            'Human3.6M is downloaded with a personal account (register at '
            'http://vision.imar.ro/human3.6m), and there is no terminal to ask for it. Set the '
            f'environment variables {EMAIL} and {PASSWORD}, or {PHPSESSID}, or write them to '
            f'config.ini (chmod 600), section [{SECTION}], keys {", ".join(KEYS)}.'
        )
    print('Account at http://vision.imar.ro/human3.6m', file=sys.stderr)
    email = email or _prompt('E-mail (empty to give a PHPSESSID instead): ')
    if email:
        found = Credentials(email, getpass.getpass('Password: '))
    else:
        found = Credentials(session_id=getpass.getpass('PHPSESSID: ').strip())
    if not (found.can_log_in or found.session_id):
        raise OptionError('Nothing was entered. Without an account nothing can be downloaded.')
    return found


def _prompt(text):
    print(text, end='', file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()
