import csv
import json
import os
import shutil
import subprocess
import sys

import ezc3d
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posepile.ds.aspset.eval import METRIC_NAMES, evaluate, main, pose_metrics
from posepile.ds.aspset.predictions import JOINT_NAMES, SKELETON, read_poses
from posepile.errors import BadFileError, OptionError, RawDataError

SPLITS_CSV = """\
0aaa,0001,train,all
0aaa,0002,train,mid
0bbb,0001,val,left
0ccc,0001,test,right
0ccc,0002,test,all
"""
N_FRAMES = {'0aaa-0001': 8, '0aaa-0002': 15, '0bbb-0001': 18, '0ccc-0001': 29, '0ccc-0002': 35}


# ---- Files


def write_c3d(path, points, rate=50, skeleton=SKELETON, units='mm'):
    c3d = ezc3d.c3d()
    c3d['parameters']['POINT']['RATE']['value'] = [rate]
    c3d['parameters']['POINT']['UNITS']['value'] = [units]
    c3d['parameters']['POINT']['LABELS']['value'] = tuple(JOINT_NAMES[: points.shape[1]])
    if skeleton:
        c3d.add_parameter('POINT', 'SKEL', [skeleton])
    homogeneous = np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)
    c3d['data']['points'] = homogeneous.transpose(2, 1, 0)
    c3d.write(str(path))


def write_json(path, points, rate=50, skeleton=SKELETON, units='mm'):
    record = dict(rate=rate, units=units, skel=skeleton, points=points.tolist())
    path.write_text(json.dumps(record))


def write_csv(path, points, rate=50, names=JOINT_NAMES):
    with open(path, 'w', newline='') as f:
        writer = csv.writer(f)
        writer.writerow(['t'] + [f'{name}_{axis}' for name in names for axis in 'xyz'])
        for i_frame, pose in enumerate(points):
            writer.writerow([i_frame / rate, *pose.ravel().tolist()])


def write_trc(path, points, rate=50, names=JOINT_NAMES, units='mm'):
    columns = [f'{axis}{i}' for i in range(1, len(names) + 1) for axis in 'XYZ']
    rows = [
        ['PathFileType', '4', '(X/Y/Z)', path.name],
        ['DataRate', 'CameraRate', 'NumFrames', 'NumMarkers', 'Units'],
        [str(rate), str(rate), str(len(points)), str(len(names)), units],
        ['Frame#', 'Time'] + [cell for name in names for cell in (name, '', '')],
        ['', ''] + columns,
        [],
    ]
    for i_frame, pose in enumerate(points):
        rows.append([str(i_frame + 1), str(i_frame / rate), *map(repr, pose.ravel().tolist())])
    path.write_text('\n'.join('\t'.join(row) for row in rows) + '\n')


WRITERS = {'c3d': write_c3d, 'json': write_json, 'csv': write_csv, 'trc': write_trc}


# ---- A release and predictions of it


def true_poses(clip):
    """Person-like: joints within some decimetres, 18 m away. Whole mm, so that float32 is exact."""
    rng = np.random.default_rng(sorted(N_FRAMES).index(clip))
    body = rng.normal(0, 300, (1, 17, 3)) + [0, 0, 18000]
    drift = np.cumsum(rng.normal(0, 10, (N_FRAMES[clip], 17, 3)), axis=0)
    return np.round(body + drift)


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
    root = tmp_path_factory.mktemp('aspset')
    (root / 'splits.csv').write_text(SPLITS_CSV)
    for clip in N_FRAMES:
        folder = 'test' if clip.startswith('0ccc') else 'trainval'
        path = root / folder / 'joints_3d' / clip[:4] / f'{clip}.c3d'
        path.parent.mkdir(parents=True, exist_ok=True)
        write_c3d(path, true_poses(clip))
    return root


def views_of(*splits):
    rows = [row.split(',') for row in SPLITS_CSV.split()]
    return [
        (f'{subject}-{clip}', view)
        for subject, clip, split, camera in rows
        if split in splits
        for view in (('left', 'mid', 'right') if camera == 'all' else (camera,))
    ]


def write_predictions(folder, splits, change=lambda points: points, extension='json'):
    folder.mkdir(exist_ok=True)
    for clip, view in views_of(*splits):
        WRITERS[extension](folder / f'{clip}-{view}.{extension}', change(true_poses(clip)))
    return folder


def spread(values):
    return [values[name] for name in METRIC_NAMES]


# ---- Known errors


def test_perfect_prediction(data_dir, tmp_path):
    report = evaluate(data_dir, write_predictions(tmp_path, ['test']))
    np.testing.assert_allclose(spread(report), [0, 0, 0, 1, 1, 1], atol=1e-6)
    assert list(report.values) == list(METRIC_NAMES)
    # Every fifth of 29 and (three times) of 35 frames.
    assert report.info['poses'] == 6 + 3 * 7 and report.info['views'] == 4


def test_translation(data_dir, tmp_path):
    folder = write_predictions(tmp_path, ['test'], lambda p: p + [200, 0, 0])
    report = evaluate(data_dir, folder)
    np.testing.assert_allclose(spread(report), [200, 0, 0, 0, 1, 1], atol=1e-6)


def test_scale_about_the_pelvis(data_dir, tmp_path):
    def change(points):
        root = points[:, 16:]
        return root + 1.5 * (points - root)

    report = evaluate(data_dir, write_predictions(tmp_path, ['val'], change), split='val')
    points = true_poses('0bbb-0001')
    radii = np.linalg.norm(points - points[:, 16:], axis=-1)
    expected = [0.5 * radii.mean()] * 2 + [0] + [np.mean(0.5 * radii <= 150)] * 2 + [1]
    np.testing.assert_allclose(spread(report), expected, atol=1e-6)


def test_rotation_about_the_pelvis(data_dir, tmp_path):
    rotation = Rotation.from_rotvec([0.1, -0.3, 0.2]).as_matrix()

    def change(points):
        root = points[:, 16:]
        return root + (points - root) @ rotation

    report = evaluate(data_dir, write_predictions(tmp_path, ['val'], change), split='val')
    points = true_poses('0bbb-0001')
    moved = np.linalg.norm(change(points) - points, axis=-1)
    expected = [moved.mean()] * 2 + [0] + [np.mean(moved <= 150)] * 2 + [1]
    np.testing.assert_allclose(spread(report), expected, atol=1e-6)


def test_pck_threshold_is_inclusive(data_dir, tmp_path):
    def change(points):
        points = points.copy()
        points[:, 0, 0] += 150
        points[:, 1, 1] += 151
        return points

    report = evaluate(data_dir, write_predictions(tmp_path, ['val'], change), split='val')
    np.testing.assert_allclose(report['PCK'], 16 / 17)
    np.testing.assert_allclose(report['Root-relative PCK'], 16 / 17)
    np.testing.assert_allclose(report['MPJPE'], 301 / 17)


def test_unit_vectors():
    pred = np.array([[[1, 1, 1], [0, 0, 2]]], float)
    true = np.array([[[1, 1, 1], [3, 4, 2]]], float)
    metrics = pose_metrics(pred, true, i_root=0, pck_threshold=4)
    assert metrics[0] == [2.5] and metrics[3] == [0.5]


# ---- An independent implementation, one pose and one joint at a time


def slow_procrustes(pred, true):
    p, g = pred - pred.mean(0), true - true.mean(0)
    n_p, n_g = np.sqrt((p**2).sum()), np.sqrt((g**2).sum())
    u, s, vt = np.linalg.svd(((p / n_p).T @ (g / n_g)).T)
    scale = s.sum()
    if np.linalg.det(u @ vt) < 0:
        vt[-1] = -vt[-1]
    rotation = u @ vt
    return np.array([n_g * scale * rotation @ x / n_p + true.mean(0) for x in p])


def slow_metrics(pairs):
    rows = []
    for pred, true in pairs:
        forms = [
            (pred, true),
            (pred - pred[16], true - true[16]),
            (slow_procrustes(pred, true), true),
        ]
        distances = [
            [np.sqrt(sum((a - b) ** 2)) for a, b in zip(p, t, strict=True)] for p, t in forms
        ]
        rows.append(
            [sum(d) / 17 for d in distances] + [sum(x <= 150 for x in d) / 17 for d in distances]
        )
    return np.mean(rows, axis=0)


@pytest.mark.parametrize('split', ['train', 'val', 'trainval', 'test', 'all'])
def test_noisy_and_mirrored_predictions_agree_with_a_slow_implementation(data_dir, tmp_path, split):
    parts = {'trainval': ['train', 'val'], 'all': ['train', 'val', 'test']}.get(split, [split])
    rng = np.random.default_rng(17)
    step = 5 if split == 'test' else 1
    pairs = []

    def change(points):
        pred = points + rng.normal(0, 120, points.shape)
        pred[::2, :, 0] *= -1  # reflections, which bring in the unflipped scale
        pairs.extend(zip(pred[::step], points[::step], strict=True))
        return pred

    report = evaluate(data_dir, write_predictions(tmp_path, parts, change), split=split)
    np.testing.assert_allclose(spread(report), slow_metrics(pairs), rtol=1e-6)
    assert report.info['poses'] == len(pairs)


def test_universal_skeleton(data_dir, tmp_path):
    def universal(points):
        i = {name: JOINT_NAMES.index(name) for name in JOINT_NAMES}
        lengths = sum(
            np.linalg.norm(points[:, i[a]] - points[:, i[b]], axis=-1)
            for a, b in [('left_knee', 'left_hip'), ('spine', 'pelvis'), ('neck', 'spine')]
        )
        return points * (910 / lengths)[:, None, None]

    folder = write_predictions(tmp_path, ['test'], universal)
    np.testing.assert_allclose(
        spread(evaluate(data_dir, folder, univ=True)), [0, 0, 0, 1, 1, 1], atol=1e-6
    )
    assert evaluate(data_dir, folder)['MPJPE'] > 1


# ---- Formats


@pytest.mark.parametrize('extension', WRITERS)
def test_every_format_reads_alike(data_dir, tmp_path, extension):
    points = true_poses('0ccc-0002') + 0.25
    WRITERS[extension](tmp_path / f'a.{extension}', points)
    sequence = read_poses(tmp_path / f'a.{extension}')
    np.testing.assert_allclose(sequence.points, points)
    assert sequence.points.dtype == np.float64
    assert np.isclose(sequence.rate, 50) and sequence.skeleton == SKELETON
    folder = write_predictions(tmp_path / 'p', ['test'], lambda p: p + [0, 30, 40], extension)
    expected = [50, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(spread(evaluate(data_dir, folder)), expected, atol=1e-6)


@pytest.mark.parametrize('n_rows', [8, 15, 18, 29, 35])
def test_csv_rates_may_be_off_by_rounding(tmp_path, n_rows):
    root, folder = tmp_path / 'data', tmp_path / 'pred'
    (root / 'test/joints_3d/a').mkdir(parents=True)
    folder.mkdir()
    (root / 'splits.csv').write_text('a,1,test,mid\n')
    points = np.random.default_rng(0).normal(0, 300, (n_rows, 17, 3)).round()
    write_c3d(root / 'test/joints_3d/a/a-1.c3d', points)
    write_csv(folder / 'a-1-mid.csv', points)
    report = evaluate(root, folder)
    assert report.info['poses'] == -(-n_rows // 5) and report['MPJPE'] == 0


@pytest.mark.parametrize('extension', ['c3d', 'json', 'csv', 'trc'])
def test_prediction_at_the_evaluation_rate(data_dir, tmp_path, extension):
    for clip, view in views_of('test'):
        path = tmp_path / f'{clip}-{view}.{extension}'
        WRITERS[extension](path, true_poses(clip)[::5], rate=10)
    np.testing.assert_allclose(evaluate(data_dir, tmp_path)['MPJPE'], 0, atol=1e-6)


@pytest.mark.parametrize('rate', [25, 12.5, 5, 50.02])
def test_indivisible_rate_stops_even_when_skipping(data_dir, tmp_path, rate):
    write_json(tmp_path / '0bbb-0001-left.json', true_poses('0bbb-0001'), rate=rate)
    with pytest.raises(BadFileError, match='frames per second') as e:
        evaluate(data_dir, tmp_path, 'val', skip_missing=True)
    assert '0bbb-0001-left.json' in str(e.value)


def test_different_number_of_frames_stops_even_when_skipping(data_dir, tmp_path):
    write_json(tmp_path / '0bbb-0001-left.json', true_poses('0bbb-0001')[:-1])
    with pytest.raises(BadFileError, match='17 frames.*18'):
        evaluate(data_dir, tmp_path, 'val', skip_missing=True)


@pytest.mark.parametrize('extension', ['c3d', 'json', 'csv', 'trc'])
def test_unknown_skeleton_stops_even_when_skipping(data_dir, tmp_path, extension):
    points = true_poses('0bbb-0001')[:, :16]
    path = tmp_path / f'0bbb-0001-left.{extension}'
    if extension in ('c3d', 'json'):
        WRITERS[extension](path, points, skeleton='mpii_16j')
        message = 'mpii_16j'
    else:
        WRITERS[extension](path, points, names=JOINT_NAMES[:16])
        message = 'right_ankle,.*,spine'
    with pytest.raises(BadFileError, match=message):
        evaluate(data_dir, tmp_path, 'val', skip_missing=True)


@pytest.mark.parametrize('split, clip, frame', [('val', '0bbb-0001', 7), ('test', '0ccc-0001', 10)])
def test_missing_joint_is_named_by_frame(data_dir, tmp_path, split, clip, frame):
    """By its number in the file, also where only every fifth frame counts."""
    write_predictions(tmp_path, [split], extension='csv')
    points = true_poses(clip)
    points[frame, 3, 1] = np.nan
    view = next(view for of_clip, view in views_of(split) if of_clip == clip)
    write_csv(tmp_path / f'{clip}-{view}.csv', points)
    with pytest.raises(BadFileError, match=rf'frame {frame}\b'):
        evaluate(data_dir, tmp_path, split)


DAMAGED = {
    'a.c3d': b'no c3d file at all',
    'b.json': b'{"rate": 50, "units": "mm", "skel": "aspset_17j"',
    'c.json': b'{"rate": 50, "units": "mm", "skel": "aspset_17j"}',
    'd.json': b'{"rate": 50, "units": "mm", "skel": "aspset_17j", "points": [[[1, 2, 3]]]}',
    'e.json': b'{"rate": 50, "units": "m", "skel": "aspset_17j", "points": []}',
    'f.json': b'{"rate": 0, "units": "mm", "skel": "x", "points": [[[1, 2, 3]]]}',
    'g.json': b'[1, 2]',
    'h.csv': b'',
    'i.csv': b't,a_x,a_y,a_z\n',
    'j.csv': b't,a_x,a_y,a_z\n0,1,2,3\n',
    'k.csv': b't,a_x,a_z,a_y\n0,1,2,3\n0.02,1,2,3\n',
    'l.csv': b't,a_x,a_y,a_z\n0,1,2,3\n0.02,1,2\n',
    'm.csv': b't,a_x,a_y,a_z\n0,1,2,3\n0,1,2,3\n',
    'n.csv': b'\xff\xfe\x81\x00',
    'o.trc': b'PathFileType\n',
    'p.trc': b'P\nDataRate\tUnits\n50\tm\nFrame#\tTime\ta\n\t\tX1\tY1\tZ1\n1\t0\t1\t2\t3\n',
    'q.trc': b'P\nDataRate\tUnits\n50\tmm\nFrame#\tTime\ta\n\t\tX1\tY1\tZ1\n1\t0\t1\t2\n',
    'r.trc': b'P\nDataRate\tUnits\n50\tmm\nFrame#\tTime\ta\n\t\tX1\tY1\tZ1\n1\t0\t1\t2\t3\t4\n',
    's.txt': b'',
}


@pytest.mark.parametrize('name', DAMAGED)
def test_damaged_files_are_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(DAMAGED[name])
    with pytest.raises(BadFileError, match=name):
        read_poses(tmp_path / name)


def test_c3d_without_skeleton_is_refused(tmp_path):
    write_c3d(tmp_path / 'a.c3d', true_poses('0bbb-0001'), skeleton=None)
    with pytest.raises(BadFileError, match='SKEL'):
        read_poses(tmp_path / 'a.c3d')


def test_ground_truth_needs_no_name_of_its_skeleton(data_dir, tmp_path):
    root = tmp_path / 'data'
    shutil.copytree(data_dir, root)
    for path in root.rglob('*.c3d'):
        write_c3d(path, true_poses(path.stem), skeleton=None)
    folder = write_predictions(tmp_path / 'p', ['test'])
    assert evaluate(root, folder).values == evaluate(data_dir, folder).values


def test_csv_as_spreadsheets_write_it(tmp_path):
    """With a byte order mark and carriage returns."""
    points = true_poses('0bbb-0001')
    path = tmp_path / 'a.csv'
    write_csv(path, points)
    path.write_bytes(b'\xef\xbb\xbf' + path.read_bytes())
    np.testing.assert_allclose(read_poses(path).points, points)


def test_extensions_may_be_in_capitals(tmp_path):
    write_json(tmp_path / 'a.JSON', true_poses('0bbb-0001'))
    assert len(read_poses(tmp_path / 'a.JSON').points) == N_FRAMES['0bbb-0001']


# ---- Search for predictions


def test_files_may_lie_in_any_subfolder(data_dir, tmp_path):
    (tmp_path / 'x' / 'y').mkdir(parents=True)
    write_json(tmp_path / 'x' / 'y' / '0bbb-0001-left.json', true_poses('0bbb-0001'))
    assert evaluate(data_dir, tmp_path, 'val')['MPJPE'] == 0


def test_view_may_be_left_out_for_a_clip_with_one_camera_only(data_dir, tmp_path):
    write_json(tmp_path / '0bbb-0001.json', true_poses('0bbb-0001'))
    assert evaluate(data_dir, tmp_path, 'val')['MPJPE'] == 0
    write_json(tmp_path / '0aaa-0002.json', true_poses('0aaa-0002'))
    write_json(tmp_path / '0aaa-0001.json', true_poses('0aaa-0001'))
    with pytest.raises(BadFileError, match='0aaa-0001-left'):
        evaluate(data_dir, tmp_path, 'train')


@pytest.mark.parametrize(
    'second', ['0bbb-0001-left.csv', '0bbb-0001.json', 'x/0bbb-0001-left.json']
)
def test_several_matches(data_dir, tmp_path, second):
    (tmp_path / 'x').mkdir()
    for name in '0bbb-0001-left.json', second:
        WRITERS[name.rpartition('.')[2]](tmp_path / name, true_poses('0bbb-0001'))
    with pytest.raises(BadFileError, match='2 files'):
        evaluate(data_dir, tmp_path, 'val')
    assert evaluate(data_dir, tmp_path, 'val', skip_missing=True).info['skipped'] == 1


def test_missing_predictions_are_an_error_or_skipped(data_dir, tmp_path, caplog):
    folder = write_predictions(tmp_path, ['test'], lambda p: p + [30, 0, 0])
    os.remove(folder / '0ccc-0002-mid.json')
    (folder / '0ccc-0002-left.json').write_text('{')
    with pytest.raises(BadFileError, match='0ccc-0002-left'):
        evaluate(data_dir, folder)
    report = evaluate(data_dir, folder, skip_missing=True)
    assert (report.info['views'], report.info['skipped'], report.info['poses']) == (2, 2, 13)
    assert np.isclose(report['MPJPE'], 30)
    assert '0ccc-0002-mid' in caplog.text and '0ccc-0002-left' in caplog.text


def test_empty_set_has_the_value_zero(data_dir, tmp_path):
    report = evaluate(data_dir, tmp_path, skip_missing=True)
    assert spread(report) == [0] * 6 and report.info['poses'] == 0


def test_missing_folder_and_unknown_split(data_dir, tmp_path):
    with pytest.raises(BadFileError, match='nowhere'):
        evaluate(data_dir, tmp_path / 'nowhere', skip_missing=True)
    with pytest.raises(OptionError, match='trainval'):
        evaluate(data_dir, tmp_path, 'valid')


@pytest.mark.parametrize('split', ['val', 'trainval', 'all'])
def test_split_without_rows(tmp_path, split):
    (tmp_path / 'splits.csv').write_text('a,1,train,mid\n')
    with pytest.raises(RawDataError, match='val'):
        evaluate(tmp_path, tmp_path, split)


def test_missing_ground_truth_says_what_to_download(data_dir, tmp_path):
    (tmp_path / 'splits.csv').write_text(SPLITS_CSV)
    folder = write_predictions(tmp_path / 'p', ['test'])
    with pytest.raises(RawDataError, match='aspset510_v1_test-joints_3d.tar.gz'):
        evaluate(tmp_path, folder, skip_missing=True)


# ---- Command line


def test_command_line_prints_names_and_four_decimals(data_dir, tmp_path):
    folder = write_predictions(tmp_path, ['test'], lambda p: p + [200, 0, 0])
    env = dict(os.environ, DATA_ROOT=str(data_dir.parent))
    command = [sys.executable, '-m', 'posepile.ds.aspset.eval', '--predictions', str(folder)]
    options = ['--data-dir', str(data_dir), '--split', 'test']
    out = subprocess.run(command + options, env=env, capture_output=True, text=True, check=True)
    assert [line.rsplit(maxsplit=1) for line in out.stdout.splitlines()] == [
        ['MPJPE', '200.0000'],
        ['Root-relative MPJPE', '0.0000'],
        ['Procrustes-aligned MPJPE', '0.0000'],
        ['PCK', '0.0000'],
        ['Root-relative PCK', '1.0000'],
        ['Procrustes-aligned PCK', '1.0000'],
    ]
    failed = subprocess.run(command + ['--split', 'val'], env=env, capture_output=True, text=True)
    assert failed.returncode == 1 and failed.stderr.count('\n') == 1
    assert os.path.join(data_dir.parent, 'aspset', 'data', 'splits.csv') in failed.stderr


def test_command_line_json(data_dir, tmp_path, capsys):
    folder = write_predictions(tmp_path, ['val'])
    options = ['--split', 'val', '--univ', '--skip-missing', '--json']
    main(['--data-dir', str(data_dir), '--predictions', str(folder), *options])
    record = json.loads(capsys.readouterr().out)
    assert list(record['metrics']) == list(METRIC_NAMES)
    assert record['info'] == dict(split='val', univ=True, rate=50, poses=18, views=1, skipped=0)
