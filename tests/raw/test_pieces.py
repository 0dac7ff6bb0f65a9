import os
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posepile.raw import pieces
from posepile.raw.pieces import PieceFile, Stopped

CONTENT = np.random.default_rng(1).bytes(1000)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('pieces')


@settings(max_examples=50)
@given(
    steps=st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 300)), max_size=9)),
    size=st.integers(1, len(CONTENT)),
    piece_size=st.integers(1, 1200),
)
def test_any_order_and_any_number_of_runs_give_the_file(folder, steps, size, piece_size):
    """Each run takes some pieces, writes a part of each, and ends as if it had been killed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, '_LEAST', 20)
        write_in_runs(str(folder / 'file'), steps, size, piece_size)
    assert os.listdir(folder) == ['file']
    os.unlink(folder / 'file')


def write_in_runs(dest, steps, size, piece_size):
    for run in [*steps, None]:
        with PieceFile.opened(dest, piece_size) as part:
            before = part.n_present
            part.begin('url', size, '"1"')
            assert part.n_present == before
            n_written = 0
            for which, n in run if run is not None else [(0, 1000)] * 1001:
                taken = [p for p in (part.take() for _ in range(which + 1)) if p]
                if not taken:
                    break
                for piece in taken[-1:] if run is not None else taken:
                    data = CONTENT[piece.at : min(piece.at + n, piece.end)]
                    n_written += len(data)
                    part.write(piece, data)
            assert part.n_present == before + n_written
            part.record()
            if run is None:
                assert part.n_present == size and part.take() is None
                part.finish()
    with open(dest, 'rb') as f:
        assert f.read() == CONTENT[:size]


def written(dest, n):
    with PieceFile.opened(dest, 100) as part:
        part.begin('url', 1000, None)
        for _ in range(n):
            piece = part.take()
            part.write(piece, CONTENT[piece.at : piece.end])
        part.record()


@pytest.mark.parametrize(
    'other', [('other', 1000, None), ('url', 999, None), ('url', 1000, '"2"'), ('url', None, None)]
)
def test_part_of_another_file_is_thrown_away(tmp_path, other):
    written(str(tmp_path / 'f'), 3)
    with PieceFile.opened(str(tmp_path / 'f'), 100) as part:
        assert part.n_present == 300
        part.begin(*other)
        assert part.n_present == 0 and part.n_most == 300
        assert os.path.getsize(part.path) == 0


@pytest.mark.parametrize(
    'record',
    ['', '[]', '{}', '{"missing": [], "size": 1000}', '{"missing": [[0, 900]], "size": 1000}',
     '{"missing": [[5, 3]], "size": 1000}', '{"missing": [[0, 500], [400, 1000]], "size": 1000}',
     '{"missing": [[-5, 1000]], "size": 1000}', '{"missing": [[900, 1000]], "size": 1000}',
     '{"missing": 3, "size": 1000}', '{"missing": [[100, 1000]]}'],
)  # fmt: skip
def test_record_that_cannot_be_true_is_not_believed(tmp_path, record):
    (tmp_path / 'f.part').write_bytes(CONTENT[:300])
    (tmp_path / 'f.part.json').write_text(record)
    with PieceFile.opened(str(tmp_path / 'f'), 100) as part:
        assert part.n_present == 0


def test_old_pieces_cannot_be_written_after_a_new_start(tmp_path):
    with PieceFile.opened(str(tmp_path / 'f'), 100) as part:
        part.begin('url', 1000, None)
        piece = part.take()
        part.start_over({'url': 'url', 'size': 500, 'validator': None})
        with pytest.raises(Stopped):
            part.write(piece, b'x')
        piece = part.take()
        part.write(piece, b'x')
    with pytest.raises(Stopped):
        part.write(piece, b'x')


def test_the_longest_piece_is_split_when_none_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, '_LEAST', 20)
    with PieceFile.opened(str(tmp_path / 'f'), 100) as part:
        part.begin('url', 150, None)
        first, second = part.take(), part.take()
        part.write(first, CONTENT[:10])
        half = part.take()
        assert (first.at, first.end, half.at, half.end) == (10, 55, 55, 100)
        assert (part.take().at, second.end, part.take().at) == (125, 125, 32)
        assert part.write(first, CONTENT[10:70]) == first.end - 10
        assert part.n_present == first.end
        for _ in range(20):
            part.take()
        assert part.take() is None


def test_what_arrives_is_recorded_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, '_RECORD_EVERY', 0.01)
    with PieceFile.opened(str(tmp_path / 'f'), 100) as part:
        part.begin('url', 1000, None)
        piece = part.take()
        time.sleep(0.02)
        part.write(piece, CONTENT[:50])
        assert '[[50, 1000]]' in (tmp_path / 'f.part.json').read_text()
