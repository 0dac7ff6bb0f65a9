"""The archives that the Human3.6M server has: addresses, names, checksums, contents."""

import dataclasses
import os
import os.path as osp
import re
from urllib.parse import urlencode

from posepile.errors import BadFileError, RawDataError
from posepile.raw import members
from posepile.raw.partfile import Expected

#: Number of each subject with public poses in the addresses of the server.
SERVER_IDS = {1: 1, 5: 6, 6: 7, 7: 2, 8: 3, 9: 4, 11: 5}
#: Kinds of archives per subject: path on the server, folder that they hold below S#.
_PATHS = {
    'Poses_D2_Positions': ('Poses/D2_Positions', 'MyPoseFeatures/D2_Positions'),
    'Poses_D3_Positions': ('Poses/D3_Positions', 'MyPoseFeatures/D3_Positions'),
    'Poses_D3_Positions_mono': ('Poses/D3_Positions_mono', 'MyPoseFeatures/D3_Positions_mono'),
    'Poses_D3_Positions_mono_universal': (
        'Poses/D3_Positions_mono_universal',
        'MyPoseFeatures/D3_Positions_mono_universal',
    ),
    'Videos': ('Videos', 'Videos'),
    'Segments_mat_gt_bb': ('Segments/mat_gt_bb', 'MySegmentsMat/ground_truth_bb'),
}
CODE = 'code'
CODE_NAME = 'code-v1.2.zip'
CODE_FOLDER = 'Release-v1.2'
KINDS = (*_PATHS, CODE)
#: How archives are unpacked: as in the release, or as by the system named below.
RELEASE, FETCH_SYSTEM = LAYOUTS = ('release', 'h36m-fetch')
#: Kinds that the fetch-and-convert system of Nibali (github.com/anibali/h36m-fetch) has.
FETCH_SYSTEM_KINDS = KINDS[:5]

_MD5 = """
Poses_D2_Positions
69e038858ace96ba5f6c5ccea52e95e8 7ac8c4830468a1ed3464076ee9603632 5f9706d5259f648cca802c069dec9681
543c4053c962db54d1d7361d4accffb4 e9de190d782452edc954ac191907adcf 232c2244afae96cb900908c6825d478c
df1fde6b5656729336f54dcd79ab6e47
Poses_D3_Positions
d4ae2827d0227dea8c88e6a082763d0a 7a0bd0f458612decc9de0a04e0b589cc 0970a30cbc947c3c0454c834db9b84e0
abeea2a40650517cefb7cd911caa6472 5695796fe478579ffe9b9ff09203dd27 fce28bb66bf9908016e2d9738e5cb2db
729e93d4e50c806f4a55fd1b87e2ff52
Poses_D3_Positions_mono
4c844740ba583517c74b6c496c190761 4e14165ed00b7aff1111a81c1ca4b7b3 9681696b33a0d487493330e825b408d6
807109c1a304ce67c6f0cc06a94846fc da8b6c948e7dcd280061cd4d99d7352f 0fad285a69fdcdf4958cc4c80d93abbc
944a8bca62a933f5d630a835868fba23
Poses_D3_Positions_mono_universal
3c75f06fdf3c4f3b8fb1f8f11d18a10e a0c821f5501fcc450e28c38e5ebd0c17 dce0fb2f44b487b2bd36f603d1ff894a
848717a95a96336ec7707b20ec463965 8f5182924c29721d9c4227aa43e3d7b3 bbc436bc0f35bd09e272ad0ed1f188e2
c00b5b22ed1b88de5a536433e300503e
Videos
d517e6c0b1112427b2a39fcbd732281c 02ef041813c3a37b137f86df24419e5a a4b8690e5320c5854f99f60bf31cbabc
79caf93c6ec31b1c14cd1d31d5f292e0 18818148e68fcd80fce1efa82f98126d 3e7d923d5c573ac833334a31b5f8a797
25c25250be8f75d7991dcbf74bb9d339
"""


def _known_md5():
    known, kind, subjects = {}, None, iter(())
    for word in _MD5.split():
        if word in _PATHS:
            kind, subjects = word, iter(SERVER_IDS)
        else:
            known[f'{kind}_S{next(subjects)}.tgz'] = word
    return known


#: Checksums that have been published; there are none of the box masks and of the code.
KNOWN_MD5 = _known_md5()
#: What Videos_S11.tgz was until 2020, with a video in it that does not play.
OLD_VIDEOS_S11_MD5 = '13a24f30eb4e7cc505cbf80410c90ffe'


@dataclasses.dataclass(frozen=True)
class Archive:
    """One file of the release.

    Attributes:
        name: of the file.
        kind: one of :data:`KINDS`.
        subject: its number; None for the code.
        address: relative to the address of the server.
        md5: checksum, None if it is not known.
        folder: what it holds, relative to the folder of the unpacked release.
    """

    name: str
    kind: str
    subject: int | None
    address: str
    md5: str | None
    folder: str

    def unpacked_to(self, layout) -> str:
        """Folder of its files, relative to the root, in one of :data:`LAYOUTS`."""
        return self.folder if layout == RELEASE else f'extracted/S{self.subject}/{self.kind}'

    def find_problem(self, path) -> str:
        """What is wrong with the file at ``path``; empty if nothing is.

        Without a checksum, the archive is read to its end, with the checksums it has itself.
        """
        if self.md5:
            problem = Expected(md5=self.md5).mismatch_of(path)
            if OLD_VIDEOS_S11_MD5 in problem:
                problem += ': this is the archive from before 2020, in which a video is damaged'
            return problem
        return _unreadable(path, self)


def list_archives(subjects=tuple(SERVER_IDS), kinds=KINDS, checksums=None) -> list[Archive]:
    """Archives of these subjects and kinds, in the order of the subjects.

    Args:
        checksums: {name: md5}, added to :data:`KNOWN_MD5`.
    """
    md5 = {**KNOWN_MD5, **(checksums or {})}
    archives = []
    if CODE in kinds:
        archives.append(Archive(CODE_NAME, CODE, None, CODE_NAME, md5.get(CODE_NAME), CODE_FOLDER))
    for subject in subjects:
        for kind, (path, folder) in _PATHS.items():
            if kind in kinds:
                name = f'{kind}_S{subject}.tgz'
                address = _address(path, subject)
                archives.append(
                    Archive(name, kind, subject, address, md5.get(name), f'S{subject}/{folder}')
                )
    return archives


def _address(path, subject):
    query = {
        'download': 1,
        'filepath': path,
        'filename': f'SubjectSpecific_{SERVER_IDS[subject]}.tgz',
        'downloadname': f'S{subject}',
    }
    return 'filebrowser.php?' + urlencode(query, safe='/')


def read_checksums(path) -> dict[str, str]:
    """{name of an archive: md5} from a list as md5sum writes it, for ``archives/<name>``.

    Raises:
        BadFileError: it does not exist, or a line is not of this form.
    """
    try:
        with open(path, encoding='utf-8') as f:
            lines = f.read().splitlines()
    except FileNotFoundError:
        raise BadFileError(path, 'there is no such list of checksums') from None
    except UnicodeDecodeError:
        raise BadFileError(path, 'is no list of checksums, but no text at all') from None
    found = {}
    for i, line in enumerate(lines, start=1):
        match = re.fullmatch(r'\\?([0-9a-fA-F]{32}) [ *](?:.*/)?([^/]+)', line)
        if match:
            found[match[2]] = match[1].lower()
        elif line.strip():
            raise BadFileError(
                path,
                f'line {i} is not what md5sum writes: 32 hexadecimal digits, two blanks, a path',
                'Correct the line, or delete the file to use the published checksums.',
            )
    return found


def _unreadable(path, archive):
    n_files = 0
    try:
        with members.opened(path) as found:
            for member in found:
                if member.kind != 'file':
                    continue
                n_files += member.name.startswith(f'{archive.folder}/')
                with member.open() as f:
                    while f.read(1 << 20):
                        pass
    except RawDataError as e:
        return e.problem
    except members.UnsafeMember as e:
        return f'is not safe to unpack: {e}'
    except OSError as e:
        if e.errno is not None:
            raise
        return f'is damaged or incomplete ({e})'
    except (*members.DAMAGE, RuntimeError) as e:  # zipfile: unknown compression, password
        return f'is damaged or incomplete ({type(e).__name__}: {e})'
    return '' if n_files else f'holds no files of {archive.folder}'


def is_in_place(root, archive, layout=RELEASE) -> bool:
    """Whether what an archive holds is there, and the archive is not.

    An archive is deleted only after all of it was unpacked; one that is there has to be checked.
    """
    folder = osp.join(root, archive.unpacked_to(layout))
    if osp.lexists(osp.join(root, 'archives', archive.name)) or not osp.isdir(folder):
        return False
    with os.scandir(folder) as entries:
        return any(not e.name.startswith('.') for e in entries)
