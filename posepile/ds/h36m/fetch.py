"""Download Human3.6M with a personal account.

The account is looked for in the environment (H36M_EMAIL and H36M_PASSWORD, or H36M_PHPSESSID),
then in config.ini of the current directory or of the folder of the release, which nobody else may
be able to read; then it is asked for.

Files go to the folder archives, each checked against its published MD5 sum; those that have none
are read to their end. What is there already is not fetched again, what is there in part is
continued. To unpack them: python -m posepile.ds.h36m.extract
"""

import argparse
import functools
import json
import os
import os.path as osp
import re
import sys
from urllib.parse import urljoin

from posepile import paths
from posepile.arguments import whole_number
from posepile.ds.h36m import archives as h36m_archives
from posepile.ds.h36m.credentials import find_credentials
from posepile.ds.h36m.progress import Progress
from posepile.ds.h36m.session import SERVER, Session
from posepile.errors import RawDataError
from posepile.program import run_program
from posepile.raw.parallel import WrongBytesError, download_in_pieces
from posepile.raw.pieces import forget_record
from posepile.raw.responses import DownloadError, RefusedError
from posepile.raw.throttle import Throttle
from posepile.simulate.origin import is_simulated


def main(argv=None):
    """Run the command; its status is 0 if all files are there in the end."""
    return run_program(_run, _parse(argv))


def _run(args):
    root = args.root or osp.join(paths.check_data_root(to_write=not args.list), 'h36m')
    wanted = select(args, _checksums(root, args))
    if args.list:
        _tell([_entry(root, a, args.server) for a in wanted], args.json)
        return
    if is_simulated(root):
        results = verify_simulated(root, wanted, args.layout)
    else:
        results = _fetch_missing(root, wanted, args)
    if args.json:
        _tell(results, as_json=True)


def _checksums(root, args):
    own = osp.join(root, 'archives', 'checksums.txt')
    path = args.checksums or (own if osp.exists(own) else None)
    return h36m_archives.read_checksums(path) if path else {}


def _fetch_missing(root, wanted, args):
    print(f'Checking what is in place below {root}', file=sys.stderr)
    results = {a.name: _result(a, _state(root, a, args.layout)) for a in wanted}
    missing = [a for a in wanted if results[a.name]['state'] in ('missing', 'wrong')]
    n_there = len(wanted) - len(missing)
    print(f'{n_there} of {len(wanted)} files are in place', file=sys.stderr)
    if not missing:
        return list(results.values())
    if args.insecure:
        print(
            'Warning: --insecure: nobody can tell whether this is the right server, and others '
            'may read the password.',
            file=sys.stderr,
        )
    configs = [args.config] if args.config else ['config.ini', osp.join(root, 'config.ini')]
    session = Session(find_credentials(configs), args.server, args.insecure)
    session.start()
    throttle = Throttle(args.limit_rate) if args.limit_rate else None
    for name in fetch_archives(session, root, missing, args.connections, throttle):
        results[name]['state'] = 'fetched'
    return list(results.values())


def fetch_archives(session, root, archives, connections=8, throttle=None):
    """Download archives into ``root/archives``; yields the name of each when it is there.

    Args:
        session: a :class:`posepile.ds.h36m.session.Session` that was started.
        throttle: a :class:`posepile.raw.throttle.Throttle`, or None.

    Raises:
        DownloadError: the network or the disk fails; or, after all others have been fetched, the
            server does not give a file away or sends wrong bytes.
        SessionError: the session is over and cannot be renewed.
    """
    folder = osp.join(root, 'archives')
    os.makedirs(folder, exist_ok=True)
    failed = []
    with Progress(len(archives)) as progress:
        for archive in archives:
            dest = osp.join(folder, archive.name)
            if osp.exists(dest):
                progress.say(f'{dest}: {archive.find_problem(dest)}. It is fetched again.')
            progress.begin(archive.name)
            try:
                download_in_pieces(
                    _Source(session, archive),
                    dest,
                    archive.find_problem,
                    connections,
                    throttle,
                    progress.update,
                )
            except (WrongBytesError, RefusedError) as e:
                failed.append(str(e))
                continue
            progress.end(osp.getsize(dest))
            yield archive.name
    if failed:
        raise DownloadError(' '.join(failed))


class _Source:
    """An archive on the server."""

    def __init__(self, session, archive):
        self.url = urljoin(session.server, archive.address)
        self.connect = session.connect
        self._session = session

    def open(self, http, headers):
        return self._session.open(http, self.url, headers)


def verify_simulated(root, wanted, layout=h36m_archives.RELEASE):
    """Check the archives of a simulated release, of which no server has ever heard.

    Returns:
        A list with name, MD5 sum and state of each archive.

    Raises:
        RawDataError: one is missing or damaged.
    """
    results = []
    for archive in wanted:
        state = _state(root, archive, layout)
        if state in ('missing', 'wrong'):
            path = osp.join(root, 'archives', archive.name)
            problem = archive.find_problem(path) if state == 'wrong' else 'is missing'
            raise RawDataError(
                path,
                f'{problem}; this release is simulated and not to be downloaded',
                'Simulate it again: posepile simulate h36m --force',
            )
        results.append(_result(archive, state))
    print(f'The {len(results)} files of the simulated release are in place', file=sys.stderr)
    return results


def _state(root, archive, layout):
    if h36m_archives.is_in_place(root, archive, layout):
        return 'unpacked'
    path = osp.join(root, 'archives', archive.name)
    if not osp.exists(path):
        return 'missing'
    if archive.find_problem(path):
        return 'wrong'
    if not osp.exists(path + '.part'):
        forget_record(path)  # left by a run that was killed on its very last step
    return 'complete'


def _result(archive, state):
    return {'name': archive.name, 'md5': archive.md5, 'state': state}


def _entry(root, archive, server):
    path = osp.join(root, 'archives', archive.name)
    return {
        'name': archive.name,
        'md5': archive.md5,
        'url': urljoin(server if server.endswith('/') else server + '/', archive.address),
        'path': path,
    }


def _tell(entries, as_json):
    if as_json:
        print(json.dumps(entries, indent=2))
        return
    for e in entries:
        print(f'{e["md5"] or "-" * 32}  {e["name"]}  {e["url"]}')


def _parse(argv):
    parser = argparse.ArgumentParser(
        'python -m posepile.ds.h36m.fetch',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_selection(parser)
    parser.add_argument(
        '--connections', type=whole_number(1, 32), default=8, metavar='N',
        help='connections per file (default 8); the server may use fewer',
    )  # fmt: skip
    parser.add_argument(
        '--limit-rate', type=_rate, metavar='RATE', help='bytes per second, such as 500k or 2M'
    )
    parser.add_argument('--config', metavar='FILE', help='instead of config.ini in the two places')
    parser.add_argument(
        '--checksums', metavar='FILE',
        help='list in the format of md5sum, which takes precedence over the published sums; by '
        'default archives/checksums.txt, if there is one',
    )  # fmt: skip
    parser.add_argument(
        '--server', default=os.environ.get('H36M_SERVER') or SERVER, metavar='URL',
        help=f'address of the folder with filebrowser.php (default $H36M_SERVER or {SERVER})',
    )  # fmt: skip
    parser.add_argument(
        '--insecure', action='store_true',
        help='go on although the certificate of the server cannot be verified',
    )  # fmt: skip
    parser.add_argument('--list', action='store_true', help='list the files and do nothing')
    parser.add_argument('--json', action='store_true', help='print JSON on standard output')
    return parser.parse_args(argv)


def add_selection(parser):
    """Options --root, --subjects, --kinds and --layout."""
    parser.add_argument(
        '--root', metavar='DIR', help='folder with archives in it (default $DATA_ROOT/h36m)'
    )
    parser.add_argument(
        '--subjects', default=tuple(h36m_archives.SERVER_IDS), metavar='S1,S5,...',
        type=functools.partial(_choice, {f'S{i}': i for i in h36m_archives.SERVER_IDS}),
        help='only these (default all seven)',
    )  # fmt: skip
    parser.add_argument(
        '--kinds', default=h36m_archives.KINDS, metavar='KIND,...',
        type=functools.partial(_choice, {k: k for k in h36m_archives.KINDS}),
        help=f'only these (default all): {", ".join(h36m_archives.KINDS)}',
    )  # fmt: skip
    parser.add_argument(
        '--layout', choices=h36m_archives.LAYOUTS, default=h36m_archives.RELEASE,
        help='of what is unpacked: that of the release (default), or that of the system '
        'h36m-fetch, which takes videos and poses only',
    )  # fmt: skip


def select(args, checksums=None):
    """The archives that the options of :func:`add_selection` ask for."""
    kinds = args.kinds
    if args.layout == h36m_archives.FETCH_SYSTEM:
        kinds = [k for k in kinds if k in h36m_archives.FETCH_SYSTEM_KINDS]
    return h36m_archives.list_archives(args.subjects, kinds, checksums)


def _choice(known, text):
    chosen = []
    for word in text.split(','):
        if word not in known:
            raise argparse.ArgumentTypeError(f'{word!r} is none of {", ".join(known)}')
        chosen.append(known[word])
    return tuple(v for v in known.values() if v in chosen)


def _rate(text):
    match = re.fullmatch(r'(\d+(?:\.\d+)?)([kKmMgG]?)', text)
    rate = float(match[1]) * 1000 ** ' kmg'.index(match[2].lower() or ' ') if match else 0
    if rate < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no rate such as 500k or 2M')
    return rate


if __name__ == '__main__':
    sys.exit(main())
