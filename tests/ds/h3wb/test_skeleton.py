import pytest

from posepile.ds.h3wb.skeleton import BODY17_JOINT_INFO, JOINT_INFO

NAMES = (
    'nose leye reye lear rear lsho rsho lelb relb lwri rwri lhip rhip lkne rkne lank rank '
    'ltoe ltoe2 lhee rtoe rtoe2 rhee '
    'rface1 rface2 rface3 rface4 rface5 rface6 rface7 rface8 chin '
    'lface8 lface7 lface6 lface5 lface4 lface3 lface2 lface1 '
    'rface9 rface10 rface11 rface12 rface13 lface13 lface12 lface11 lface10 lface9 '
    'nose1 nose2 nose3 nose4 rface14 rface15 nose5 lface15 lface14 '
    'reye1 reye2 reye3 reye4 reye5 reye6 leye4 leye3 leye2 leye1 leye6 leye5 '
    'rmouth1 rmouth2 rmouth3 mouth1 lmouth3 lmouth2 lmouth1 lmouth4 lmouth5 mouth2 '
    'rmouth5 rmouth4 rmouth6 rmouth7 mouth3 lmouth7 lmouth6 lmouth8 mouth4 rmouth8'
).split()
NAMES += [f'{side}han{i}' for side in 'lr' for i in range(1, 22)]

# Face landmarks by their number in the 68-point scheme, from 0.
FACE_PAIRS = [(i, 16 - i) for i in range(8)] + [(17 + i, 26 - i) for i in range(5)]
FACE_PAIRS += [(31, 35), (32, 34), (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]
FACE_PAIRS += [(48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67)]
FACE_SINGLES = [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]


def edges_of(info):
    return {tuple(sorted(edge)) for edge in info.stick_figure_edges}


def test_order():
    assert JOINT_INFO.names == NAMES
    assert BODY17_JOINT_INFO.names == NAMES[:17]


def test_sides_of_the_face_agree_with_the_68_point_scheme():
    mirror = JOINT_INFO.mirror_mapping
    for a, b in FACE_PAIRS:
        assert (mirror[23 + a], mirror[23 + b]) == (23 + b, 23 + a)
    assert len(FACE_PAIRS) * 2 + len(FACE_SINGLES) == 68
    assert all(mirror[23 + i] == 23 + i for i in FACE_SINGLES)
    assert [mirror[i] for i in range(91, 112)] == list(range(112, 133))


@pytest.mark.parametrize('root, wrist', [(91, 9), (112, 10)])
def test_edges_of_hands_are_those_of_the_official_parents(root, wrist):
    expected = {(wrist, root)}
    for base in range(root + 1, root + 21, 4):
        expected |= {(root, base), *((i, i + 1) for i in range(base, base + 3))}
    fingers = range(root, root + 21)
    assert {e for e in edges_of(JOINT_INFO) if set(e) & set(fingers)} == expected


def test_edges_of_body_and_feet():
    parents = {7: 5, 8: 6, 9: 7, 10: 8, 11: 5, 12: 6, 13: 11, 14: 12, 15: 13, 16: 14}
    parents |= {17: 15, 18: 15, 19: 15, 20: 16, 21: 16, 22: 16}
    expected = {tuple(sorted(edge)) for edge in parents.items()}
    expected |= {(0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (11, 12)}
    assert {e for e in edges_of(JOINT_INFO) if max(e) < 23} == expected
    assert edges_of(BODY17_JOINT_INFO) == {e for e in expected if max(e) < 17}


def test_edges_of_the_face_are_chains():
    open_chains = [range(23, 40), range(40, 45), range(45, 50), range(50, 54), range(54, 59)]
    loops = [range(59, 65), range(65, 71), range(71, 83), range(83, 91)]
    expected = {(i, i + 1) for chain in open_chains + loops for i in chain[:-1]}
    expected |= {(loop[0], loop[-1]) for loop in loops}
    assert {e for e in edges_of(JOINT_INFO) if 23 <= min(e) and max(e) < 91} == expected


def test_no_edge_is_listed_twice():
    assert len(edges_of(JOINT_INFO)) == len(JOINT_INFO.stick_figure_edges)
