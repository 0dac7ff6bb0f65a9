"""ASPset's reader: sane values of the release, splits, and every kind of bad input."""

import json
import pickle

import numpy as np
import pytest
import rlemasklib

from posepile.datasets3d import get_dataset, get_joint_info
from posepile.ds.aspset import main
from posepile.ds.aspset.main import load_boxes, load_camera, load_split, make_recipe
from posepile.errors import ArchiveError, RawDataError, UnknownDatasetError
from posepile.pipeline import stages
from posepile.pipeline.pack import pack
from posepile.pipeline.stages import make_crops
from posepile.raw.c3d import read_c3d, write_c3d
from posepile.util import TEST, TRAIN, VALID

LABELS = [f'p{i}' for i in range(17)]


def crop_all(name='aspset'):
    recipe = make_recipe(name)
    make_crops(recipe)
    return pack(recipe)


def test_published_calibration_projects_the_published_joint(tmp_path):
    """Right ankle of the first frame of clip 04ac-0026 as its right camera sees it."""
    path = tmp_path / 'camera.json'
    intrinsics = [3908.201416, 0, 1907.136108, 0, 0, 3904.395020, 1082.651855, 0, 0, 0, 1, 0]
    extrinsics = [0.355310, -0.037651, 0.933990, -16513.444863,
                  0.010982, 0.999288, 0.036106, -694.394037,
                  -0.934684, -0.002572, 0.355470, 12560.579233,
                  0, 0, 0, 1]  # fmt: skip
    path.write_text(json.dumps(dict(intrinsic_matrix=intrinsics, extrinsic_matrix=extrinsics)))
    camera = load_camera(path)
    pixel = camera.world_to_image(np.array([[-518.131775, 1121.47400, 18538.8398]]))
    # The rotation is printed with six decimals: 1e-6 x 4000 px x 1.5.
    np.testing.assert_allclose(pixel, [[2021.66769504, 1299.42125245]], atol=0.02)
    np.testing.assert_array_equal(camera.world_up, [0, -1, 0])


def test_boxes_are_corners_expanded_by_a_tenth(tmp_path):
    path = tmp_path / 'boxes.csv'
    path.write_text('x1,y1,x2,y2\n100,200,200,400\n')
    boxes = load_boxes(path)
    np.testing.assert_allclose(boxes, [[95, 190, 110, 220]], atol=1e-4)
    assert boxes.dtype == np.float32


def test_splits_and_products(data_root):
    report = crop_all()
    assert (report.clips, report.clips_failed, report.skipped) == (3, 0, [])
    ds = get_dataset('aspset')
    assert len(ds.examples[TRAIN]) > 2 and len(ds.examples[VALID]) >= 1
    assert len(ds.examples[TEST]) == 0
    assert {ex.image_path.split('/')[3] for ex in ds.examples[TRAIN]} == {'0aaa'}
    assert ds.joint_info.names == get_joint_info('aspset').names
    assert ds.train_bones.shape == (len(ds.joint_info.stick_figure_edges),)
    assert ds.train_bones.min() > 50

    crop_all('aspset_test')
    with_test = get_dataset('aspset_test')
    assert {ex.load(False).scene_name for ex in ds.examples[TRAIN]} == {'0aaa-left', '0aaa-mid'}
    frames = [ex.image_path[-10:] for ex in with_test.examples[TEST]]
    assert frames == ['000000.jpg', '000005.jpg', '000010.jpg']


def test_load_split_gives_three_lists(data_root):
    train, val, test = load_split(data_root / 'aspset/data/splits.csv')
    assert train == [('0aaa', '0001', 'left'), ('0aaa', '0002', 'mid')]
    assert val == [('0bbb', '0001', 'right')] and test == [('0ccc', '0001', 'right')]


def test_missing_release(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    with pytest.raises(RawDataError, match=r'aspset/data/splits\.csv'):
        make_crops(make_recipe())


def test_not_packed_yet(data_root):
    with pytest.raises(ArchiveError, match='posepile run aspset'):
        get_dataset('aspset')


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownDatasetError, match='aspset'):
        get_dataset('apsset')


def only_clip_failed(report, *words):
    """One of the three clips is listed as unreadable, with these words; the others are there."""
    assert (report.clips, report.clips_failed) == (2, 1)
    assert len(report.skipped) == 1
    for word in words:
        assert word in report.skipped[0]
    assert report.crops == sum(len(get_dataset('aspset').examples[s]) for s in (TRAIN, VALID))
    assert report.crops >= 2


FIRST = '0aaa/0aaa-0001'


def damage_c3d(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_csv_column(path):
    lines = path.read_text().splitlines()
    path.write_text('\n'.join([*lines[:3], '1,2,3', *lines[4:]]))


def rename_json_key(path):
    path.write_text(path.read_text().replace('intrinsic_matrix', 'intrinsics'))


def shorten_json_list(path):
    content = json.loads(path.read_text())
    content['extrinsic_matrix'].pop()
    path.write_text(json.dumps(content))


def write_16_points(path):
    write_c3d(path, read_c3d(path).points[:, :16], LABELS[:16], rate=50)


@pytest.mark.parametrize(
    'file, damage, words',
    [
        (f'joints_3d/{FIRST}.c3d', damage_c3d, ['.c3d']),
        (f'joints_3d/{FIRST}.c3d', lambda p: p.unlink(), ['.c3d']),
        (f'joints_3d/{FIRST}.c3d', write_16_points, ['16 points', '17']),
        (f'boxes/{FIRST}-left.csv', drop_csv_column, ['.csv', '4']),
        ('cameras/0aaa/0aaa-left.json', rename_json_key, ['.json', 'intrinsic_matrix']),
        ('cameras/0aaa/0aaa-left.json', shorten_json_list, ['.json', '16']),
        ('cameras/0aaa/0aaa-left.json', lambda p: p.write_text('{'), ['.json']),
        (f'videos/{FIRST}-left.mkv', lambda p: p.write_bytes(b''), ['.mkv']),
        (f'videos/{FIRST}-left.mkv', lambda p: p.write_text('no video' * 99), ['.mkv']),
        (f'videos/{FIRST}-left.mkv', lambda p: p.unlink(), ['.mkv']),
    ],
)
def test_a_damaged_file_costs_its_clip_only(file, damage, words, data_root):
    damage(data_root / 'aspset/data/trainval' / file)
    only_clip_failed(crop_all(), *words)


def test_wrong_column_count_in_the_splits(data_root):
    path = data_root / 'aspset/data/splits.csv'
    path.write_text(path.read_text() + '0ddd,0001,train\n')
    with pytest.raises(RawDataError, match='3 columns'):
        crop_all()


def test_truncated_video_keeps_what_decodes(data_root):
    whole = crop_all().crops
    path = data_root / f'aspset/data/trainval/videos/{FIRST}-left.mkv'
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    make_recipe_shards_go(data_root)
    report = crop_all()
    assert report.clips == 3 and report.frames_lost > 0
    assert whole - report.crops == report.frames_lost
    assert any('0aaa-0001-left' in line for line in report.skipped)


def make_recipe_shards_go(data_root):
    import shutil

    shutil.rmtree(data_root / '.posepile/aspset/crops')


def test_video_shorter_than_the_annotations(data_root):
    """A C3D file with frames beyond the video: they are as if they were not there."""
    path = data_root / f'aspset/data/trainval/joints_3d/{FIRST}.c3d'
    points = read_c3d(path).points
    longer = np.concatenate([points, points[-1:] + 500])
    expected = crop_all().crops
    write_c3d(path, longer, LABELS, rate=50)
    boxes = data_root / f'aspset/data/trainval/boxes/{FIRST}-left.csv'
    boxes.write_text(boxes.read_text() + '900,400,1000,700\n')
    make_recipe_shards_go(data_root)
    report = crop_all()
    assert report.crops == expected
    assert report.frames_lost == 1


def test_nan_joints(data_root):
    path = data_root / f'aspset/data/trainval/joints_3d/{FIRST}.c3d'
    points = read_c3d(path).points
    points[3, 5] = np.nan
    write_c3d(path, points, LABELS, rate=50)
    crop_all()
    by_frame = {
        ex.image_path[-10:]: ex.load(load_image=False).world_coords
        for ex in get_dataset('aspset').examples[TRAIN]
        if '0aaa-0001' in ex.image_path
    }
    # A pose that lacks a joint counts as moved, so it is kept; the joint is missing in it.
    assert np.isnan(by_frame['000003.jpg'][5]).all()
    assert np.isfinite(np.delete(by_frame['000003.jpg'], 5, axis=0)).all()


def test_identity_of_a_clip_tells_all_about_it(data_root):
    [(name, identity), *_] = main.list_clips((TRAIN,))
    assert name == 'trainval/videos/0aaa/0aaa-0001-left.mkv'
    clip = main.read_clip(identity)
    assert clip.crop_path.format(frame=7, person=0) == f'aspset_downscaled/{name}/000007.jpg'
    assert clip.people[0].joints.shape == (12, 17, 3)


def run_stage(*arguments, monkeypatch, tmp_path):
    """Run a stage as a task of a pipeline; returns the report that it leaves."""
    path = tmp_path / 'task_report.json'
    monkeypatch.setenv('POSEPILE_TASK_REPORT', str(path))
    stages.main(make_recipe, list(arguments))
    report = json.loads(path.read_text())
    path.unlink()
    return report


def test_stages_of_the_command_line(data_root, tmp_path, monkeypatch, capsys):
    (data_root / 'aspset/data/trainval/boxes/0bbb/0bbb-0001-right.csv').unlink()
    crops = run_stage('crops', monkeypatch=monkeypatch, tmp_path=tmp_path)
    assert (crops['clips'], crops['clips_failed'], len(crops['skipped'])) == (2, 1, 1)
    assert 'frames_lost' not in crops and 'notes' not in crops  # what is nothing is not told
    assert 'left out: trainval/videos/0bbb/0bbb-0001-right.mkv' in capsys.readouterr().out

    packed = run_stage('pack', '--compact', monkeypatch=monkeypatch, tmp_path=tmp_path)
    assert 'skipped' not in packed  # the crops have told it
    assert (packed['crops'], packed['clips_failed']) == (crops['crops'], 1)
    ds = get_dataset('aspset')
    assert ds.metadata['posepile']['simulated'] is True
    box = next(ds.iter_examples()).load(load_image=False).bbox
    np.testing.assert_array_equal(box, np.round(box))


def test_product_of_a_stage(data_root, monkeypatch, capsys):
    """An option goes before the pipeline's variable, that before the dataset itself."""
    monkeypatch.setenv('POSEPILE_DATASET', 'aspset_test')
    stages.main(make_recipe, ['crops'])
    assert '4 clips' in capsys.readouterr().out
    stages.main(make_recipe, ['crops', '--name', 'aspset'])
    assert '3 clips' in capsys.readouterr().out
    monkeypatch.delenv('POSEPILE_DATASET')
    stages.main(make_recipe, ['crops'])
    assert '3 clips' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        stages.main(make_recipe, ['crops', '--name', 'coco'])
    assert 'aspset, aspset_test' in capsys.readouterr().err


def test_masks_are_named_by_the_path_of_the_raw_video(data_root):
    recipe = make_recipe()
    make_crops(recipe)
    mask = rlemasklib.encode(np.eye(8, dtype=np.uint8))
    video = 'trainval/videos/{0}/{0}-{1}.mkv'
    videos = [video.format(*v) for v in (('0aaa', '0001-left'), ('0aaa', '0002-mid'))]
    videos.append(video.format('0bbb', '0001-right'))
    masks = {f'{video}/{i:06d}.jpg': mask for video in videos for i in range(12)}
    folder = data_root / 'aspset_downscaled/masks'
    folder.mkdir(parents=True)
    (folder / 'masks.pkl').write_bytes(pickle.dumps(masks))
    pack(recipe)
    assert all(ex.load(False).mask is not None for ex in get_dataset('aspset').iter_examples())
