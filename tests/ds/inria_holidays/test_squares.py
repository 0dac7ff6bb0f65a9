"""Turning, cutting and shrinking photographs; the list of those without people."""

import io
import pickle
import shutil

import numpy as np
import pytest
from PIL import Image

from posepile.cluster.plan import plan_of
from posepile.ds.inria_holidays import main
from posepile.ds.inria_holidays.photographs import orientation, small_square
from posepile.ds.inria_holidays.simulate import MARKS, OTHER_DETECTIONS
from posepile.errors import BadFileError, RawDataError
from posepile.raw.images import read_image
from posepile.registry import find_dataset
from posepile.simulate.true_images import check_images
from posepile.storage.image_collection import open_images

INFO = find_dataset('inria_holidays')
RED, GREEN, BLUE, YELLOW = MARKS


def jpeg(image, mode='RGB', **options):
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    picture.convert(mode).save(buffer, 'JPEG', quality=95, subsampling=0, **options)
    return buffer.getvalue()


def exif(value):
    tags = Image.Exif()
    tags[0x0112] = value
    return dict(exif=tags)


def marked(width, height):
    """Grey, with coloured corners of the middle square, and black beyond it."""
    image = np.zeros((height, width, 3), np.uint8)
    side = min(width, height)
    top, left, n = (height - side) // 2, (width - side) // 2, side // 4
    square = image[top : top + side, left : left + side]
    square[:] = 128
    square[:n, :n], square[:n, -n:], square[-n:, :n], square[-n:, -n:] = MARKS
    return image


@pytest.mark.parametrize('size', [(640, 480), (480, 640), (641, 480), (480, 643), (1500, 1500)])
@pytest.mark.parametrize(
    'orientation, corners',
    [
        (None, (RED, GREEN, BLUE, YELLOW)),
        (1, (RED, GREEN, BLUE, YELLOW)),
        (2, (RED, GREEN, BLUE, YELLOW)),
        (3, (YELLOW, BLUE, GREEN, RED)),
        (6, (BLUE, RED, YELLOW, GREEN)),
        (8, (GREEN, YELLOW, RED, BLUE)),
        (77, (RED, GREEN, BLUE, YELLOW)),
    ],
)
def test_photographs_are_turned_and_cut(size, orientation, corners):
    options = {} if orientation is None else exif(orientation)
    square = small_square(jpeg(marked(*size), **options))
    assert square.shape == (512, 512, 3) and square.dtype == np.uint8
    found = [square[y, x] for y in (40, 471) for x in (40, 471)]
    np.testing.assert_allclose(found, corners, atol=25)
    # Nothing of what lies beyond, but for the pixel by which rounding moves odd sizes.
    assert square[2:-2, 256].min() > 90 and square[256, 2:-2].min() > 90


def test_areas_are_averaged():
    rng = np.random.default_rng(0)
    fine = np.kron(rng.integers(60, 200, (512, 512, 1)), np.ones((2, 2, 1)))
    noise = np.tile([[30, -30], [-30, 30]], (512, 512))[..., np.newaxis]
    image = np.repeat(fine + noise, 3, axis=2).astype(np.uint8)
    square = small_square(jpeg(image)).astype(float)
    assert np.abs(square - fine[::2, ::2]).mean() < 2


@pytest.mark.parametrize('mode', ['L', 'CMYK'])
def test_other_colour_spaces_become_rgb(mode):
    image = np.full((300, 400, 3), (200, 120, 40), np.uint8)
    data = jpeg(image, mode)
    expected = np.array(Image.open(io.BytesIO(data)).convert('RGB'))[150, 200]
    square = small_square(data)
    assert square.shape == (512, 512, 3)
    np.testing.assert_allclose(square[256, 256], expected, atol=3)


def refuse(*args, **kwargs):
    raise ImportError('this looks for a plugin of another kind')


def test_orientation_that_cannot_be_read_is_none(monkeypatch):
    monkeypatch.setattr(Image, 'open', refuse)  # as Ultralytics does
    plain = jpeg(marked(64, 64))
    assert orientation(plain) is None and orientation(b'nothing') is None
    tagged = jpeg(marked(64, 64), **exif(6))
    assert orientation(tagged) == 6
    start = tagged.index(b'Exif\0\0') + 6
    for cut in (b'XX', b'II', b'MM\0*\xff\xff\xff\xff', b'MM\0*\0\0\0\x08\xff\xff'):
        broken = tagged[:start] + cut + tagged[start + len(cut) :]
        assert orientation(broken) in (None, 6)
        assert small_square(broken).shape == (512, 512, 3)


def test_squares_do_not_depend_on_the_tasks(holidays, monkeypatch):
    main.shrink(INFO)
    expected = {p.name: p.read_bytes() for p in (holidays / 'jpg_small').iterdir()}
    assert len(expected) == 11
    shutil.rmtree(holidays / 'jpg_small')
    for i in range(3):
        monkeypatch.setenv('SLURM_ARRAY_TASK_ID', str(i))
        monkeypatch.setenv('SLURM_ARRAY_TASK_COUNT', '3')
        main.shrink(INFO)
    assert {p.name: p.read_bytes() for p in (holidays / 'jpg_small').iterdir()} == expected


def test_damaged_photographs_are_left_out_and_told(holidays):
    report = main.shrink(INFO)
    (line,) = report['left out']
    assert 'damaged' in line and not (holidays / 'jpg_small' / line[-9:]).is_file()
    assert report['squares'] == 11 and report['notes'] == []
    (holidays / 'SIMULATED.json').unlink()
    assert main.shrink(INFO)['notes'] == ['12 photographs, but the release has 1491']


def use_other_detections(release, change=lambda found: found, name='yolov4_person_detections.pkl'):
    with open(release / OTHER_DETECTIONS, 'rb') as f:
        found = pickle.load(f)
    with open(release / name, 'wb') as f:
        pickle.dump(change(found), f)
    return found


def test_the_list_has_the_names_without_any_detection(holidays):
    main.shrink(INFO)
    found = use_other_detections(holidays)
    assert sorted({len(boxes) for boxes in found.values()}) == [0, 1, 2]
    report = main.pack(INFO)
    text = (holidays / 'non_person_images.txt').read_text()
    assert text.split('\n') == sorted(name for name, boxes in found.items() if len(boxes) == 0)
    assert report == {'images': 9, 'with people': 2, 'left out': []}
    assert check_images('inria_holidays').problems() == []
    collection = open_images('inria_holidays', 'backgrounds')
    assert collection.names == text.split('\n')
    for name, image in zip(collection.names, collection, strict=True):
        np.testing.assert_array_equal(image, read_image(holidays / 'jpg_small' / name))


def test_a_single_detection_of_zeros_counts_and_several_are_not_ambiguous(holidays):
    main.shrink(INFO)

    def change(found):
        names = sorted(name for name, boxes in found.items() if len(boxes) == 0)
        return found | {names[0]: np.zeros((1, 5)), names[1]: np.zeros((2, 5)), names[2]: []}

    found = use_other_detections(holidays, change)
    names = sorted(name for name, boxes in found.items() if len(boxes) == 0)
    assert main.pack(INFO)['with people'] == 4
    assert (holidays / 'non_person_images.txt').read_text().split('\n') == names[2:]


def test_squares_that_nobody_has_looked_at_are_left_out(holidays):
    main.shrink(INFO)
    found = use_other_detections(
        holidays, lambda found: dict(list(found.items())[1:]), 'yolov3_person_detections.pkl'
    )
    report = main.pack(INFO)
    (line,) = report['left out']
    assert line.startswith(next(iter(found))) and report['images'] == 8


def test_pack_says_what_is_missing(holidays):
    main.shrink(INFO)
    with pytest.raises(BadFileError, match='no detections'):
        main.pack(INFO)


def test_everything_can_be_run_again(holidays):
    main.shrink(INFO)
    use_other_detections(holidays)
    main.pack(INFO)
    before = read_all(holidays.parent)
    for stage in (main.download, main.shrink, main.pack, main.tidy):
        stage(INFO)
    assert read_all(holidays.parent) == before
    shutil.rmtree(holidays / 'jpg')  # as earlier programs leave it
    main.download(INFO)
    assert main.shrink(INFO)['kept'] == 11
    main.pack(INFO)
    assert {p: d for p, d in before.items() if '/jpg/' not in p} == read_all(holidays.parent)


def read_all(root):
    return {str(p): p.read_bytes() for p in root.rglob('*') if p.is_file()}


def test_no_photographs(new_root):
    with pytest.raises(RawDataError, match='no photographs.*jpg1.tar.gz'):
        main.shrink(INFO)


def test_steps_are_the_same_however_the_data_root_is_written(new_root, monkeypatch):
    commands = []
    for written in (new_root, f'{new_root}/', new_root.name, f'{new_root}/../{new_root.name}'):
        monkeypatch.chdir(new_root.parent)
        monkeypatch.setenv('DATA_ROOT', str(written))
        commands.append([request.command for request in plan_of(INFO)])
    assert any(str(new_root) in word for command in commands[0] for word in command)
    assert commands == commands[:1] * 4
