"""Which objects become occluders, what their windows and soft masks are."""

import shutil

import numpy as np
import pytest
from PIL import Image

from posepile.ds.pascal_voc import main
from posepile.ds.pascal_voc.annotations import annotation_paths, read_annotation
from posepile.ds.pascal_voc.cutouts import cut_out, read_label_image
from posepile.errors import OptionError, RawDataError
from posepile.registry import find_dataset
from posepile.simulate.true_images import check_images
from posepile.storage.image_collection import open_images

XML = """<annotation><filename>2007_000032.jpg</filename><segmented>1</segmented>
<object><name>person</name><truncated>0</truncated><difficult>0</difficult>
  <part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>
  </part>
  <bndbox><xmax>60</xmax><xmin>11</xmin><ymax>80</ymax><ymin>21</ymin></bndbox></object>
<object><name>chair</name><truncated>0</truncated><difficult>0</difficult>
  <bndbox><xmin>45.70000076293945</xmin><ymin>3</ymin><xmax>90.9</xmax><ymax>70</ymax></bndbox>
</object>
<object><name>dog</name><truncated>1</truncated><difficult>0</difficult>
  <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>
<object><name>cat</name><truncated>0</truncated><difficult>1</difficult>
  <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>
</annotation>"""


@pytest.fixture
def xml(tmp_path):
    def write(text=XML):
        path = tmp_path / '2007_000032.xml'
        path.write_text(text)
        return str(path)

    return write


def test_objects_are_numbered_in_order_and_only_whole_things_are_usable(xml):
    annotation = read_annotation(xml())
    assert annotation.filename == '2007_000032.jpg' and annotation.is_segmented
    assert [(o.number, o.name, o.is_usable) for o in annotation.objects] == [
        (1, 'person', False),
        (2, 'chair', True),
        (3, 'dog', False),
        (4, 'cat', False),
    ]
    assert annotation.objects[0].box == (11, 21, 60, 80)  # not that of the head
    assert annotation.objects[1].box == (45, 3, 90, 70)  # cut off at the point


def test_windows_include_first_and_last_pixels(xml):
    person, chair = read_annotation(xml()).objects[:2]
    assert person.window((100, 200)) == (slice(20, 80), slice(10, 60))
    assert person.window((100, 200), one_based=False) == (slice(21, 80), slice(11, 60))
    assert chair.window((66, 80)) == (slice(2, 66), slice(44, 80))


@pytest.mark.parametrize(
    'old, new, problem',
    [
        ('</annotation>', '', 'no element found'),
        ('<segmented>1</segmented>', '', 'annotation has no segmented'),
        ('<segmented>1<', '<segmented>yes<', 'yes'),
        ('<xmax>60<', '<xmax>nan<', 'NaN'),
        ('<xmax>60<', '<xmax>1e400<', 'infinity'),
        ('<xmax>60</xmax>', '', 'has no xmax'),
        ('2007_000032.jpg', '../../secret.jpg', 'no name of a file'),
        ('<name>chair</name>', '', 'has no name'),
    ],
)
def test_odd_annotations_are_told(xml, old, new, problem):
    assert old in XML
    path = xml(XML.replace(old, new, 1))
    with pytest.raises(RawDataError, match=problem) as error:
        read_annotation(path)
    assert str(error.value).startswith(path)


def test_entities_do_not_fill_the_memory(xml):
    layers = ''.join(f'<!ENTITY x{i} "{f"&x{i - 1};" * 10}">' for i in range(1, 30))
    path = xml(f'<!DOCTYPE a [<!ENTITY x0 "lol">{layers}]><a>&x29;</a>')
    with pytest.raises(RawDataError, match='no annotation'):
        read_annotation(path)


def test_an_object_of_500_pixels_is_enough():
    image, mask = np.full((30, 40, 3), 7, np.uint8), np.zeros((30, 40), bool)
    mask[2:22, 5:30] = True
    rgb, opacity = cut_out(image, mask)
    assert rgb.shape == (15, 20, 3) and opacity.shape == (15, 20) and opacity.dtype == np.float32
    mask[2, 5] = False
    assert cut_out(image, mask) is None


def test_rims_are_soft_but_not_at_the_border_of_the_window():
    mask = np.ones((60, 40), bool)
    _, opacity = cut_out(np.zeros((60, 40, 3), np.uint8), mask)
    assert np.all(opacity == 1)
    mask[:, 20:] = False
    _, opacity = cut_out(np.zeros((60, 40, 3), np.uint8), mask)
    # The element reaches three pixels to the right of its anchor.
    row = [1] * 8 + [(1 + 0.75) / 2, 0.75] + [0] * 10
    np.testing.assert_array_equal(opacity, np.tile(np.float32(row), (30, 1)))


@pytest.mark.parametrize('shape', [(500, 1), (1, 500), (25, 21), (27, 31)])
def test_sizes_are_rounded_and_never_zero(shape):
    rgb, opacity = cut_out(np.full((*shape, 3), 9, np.uint8), np.ones(shape, bool))
    assert rgb.shape[:2] == opacity.shape == tuple(max(1, round(n / 2)) for n in shape)
    assert np.all(rgb == 9) and np.allclose(opacity, 1, atol=1e-6)


def test_label_images_are_read_by_the_entries_of_their_palettes(tmp_path):
    labels = np.array([[0, 1, 2], [255, 7, 7]], np.uint8)
    image = Image.frombytes('P', (3, 2), labels.tobytes())
    image.putpalette([50, 60, 70] * 256)  # all colours are the same
    image.save(tmp_path / 'labels.png')
    np.testing.assert_array_equal(read_label_image(tmp_path / 'labels.png'), labels)
    Image.new('RGB', (3, 2)).save(tmp_path / 'rgb.png')
    (tmp_path / 'half.png').write_bytes((tmp_path / 'labels.png').read_bytes()[:-30])
    for name, problem in (('rgb', 'palette'), ('half', 'damaged'), ('none', 'no such')):
        with pytest.raises(RawDataError, match=problem):
            read_label_image(str(tmp_path / f'{name}.png'))


def refuse(*args, **kwargs):
    raise ImportError('this looks for a plugin of another kind')


def test_damaged_photographs_are_left_out_and_told(simulated_root, new_root, monkeypatch):
    release = new_root / 'pascal_voc'
    shutil.copytree(simulated_root('pascal_voc') / 'pascal_voc', release)
    monkeypatch.setattr(Image, 'open', refuse)  # as Ultralytics does
    shutil.copytree(simulated_root('pascal_voc') / '.posepile', new_root / '.posepile')
    info = find_dataset('pascal_voc')
    n_images = main.pack(info)['images']
    paths = annotation_paths(str(release))
    with_chair, with_bird, with_car = (paths[i] for i in _places(paths, 'chair', 'bird', 'dog'))
    stems = [p.rpartition('/')[2][:-4] for p in (with_chair, with_bird, with_car)]
    (release / 'JPEGImages' / f'{stems[0]}.jpg').unlink()
    (release / 'SegmentationObject' / f'{stems[1]}.png').write_bytes(b'\x89PNG')
    (release / 'Annotations' / f'{stems[2]}.xml').write_text('<annotation>')
    report = main.pack(info)
    assert report['images'] == n_images - 3 and len(report['left out']) == 3
    for stem in stems:
        assert any(stem in line for line in report['left out'])
    fidelity = check_images('pascal_voc')
    assert {name[:11] for name in fidelity.missing} == set(stems)
    assert fidelity.unexpected == fidelity.wrong == []


def _places(paths, *names):
    for name in names:
        yield next(
            i for i, p in enumerate(paths) if name in [o.name for o in read_annotation(p).objects]
        )


def test_packs_the_same_bytes_again(simulated_root, new_root):
    (new_root / 'pascal_voc').symlink_to(simulated_root('pascal_voc') / 'pascal_voc')
    info = find_dataset('pascal_voc')
    contents = []
    for _ in range(2):
        main.pack(info)
        files = sorted((new_root / 'packed' / 'pascal_voc').iterdir())
        contents.append([(f.name, f.read_bytes()) for f in files])
    assert contents[0] == contents[1]


def test_the_truth_notices_a_window_that_is_a_pixel_off(simulated_root, new_root, monkeypatch):
    for name in ('pascal_voc', '.posepile'):
        (new_root / name).symlink_to(simulated_root('pascal_voc') / name)
    main.pack(find_dataset('pascal_voc'))
    assert check_images('pascal_voc').problems() == []
    cut = main.cutouts_of
    monkeypatch.setattr(main, 'cutouts_of', lambda path: cut(path, one_based=False))
    main.pack(find_dataset('pascal_voc'))
    assert len(check_images('pascal_voc').wrong) > 5


def test_release_that_is_not_there(new_root):
    with pytest.raises(RawDataError, match='no XML files.*download'):
        main.pack(find_dataset('pascal_voc'))


def test_opened_by_name_only_as_what_it_is(simulated_root, new_root):
    (new_root / 'pascal_voc').symlink_to(simulated_root('pascal_voc') / 'pascal_voc')
    main.pack(find_dataset('pascal_voc_0based'))
    collection = main.make_dataset('pascal_voc', one_based=False)
    assert collection.metadata['posepile']['options'] == {'one_based': False}
    with pytest.raises(OptionError, match='of the kind occluders, not backgrounds'):
        open_images('pascal_voc', 'backgrounds')
    with pytest.raises(OptionError, match='of the kind 2d'):
        open_images('coco')
