"""The plan of a collection: arithmetic on given rates, and docs/cluster.md, which shows it."""

import json
import os.path as osp
import sys

import pytest

SCRIPTS = osp.join(osp.dirname(osp.dirname(osp.abspath(__file__))), 'scripts')
sys.path.insert(0, SCRIPTS)
import collection_costs as costs  # noqa: E402
import plan_collection as planning  # noqa: E402

sys.path.remove(SCRIPTS)

RATES = {
    'processor': 'a slow one',
    'decoding_core_seconds_per_megapixel': 0.5,
    'cropping_core_seconds': 3.0,
    'packing_core_seconds': 0.25,
    'photographs': [[1.0, 2.0], [4.0, 5.0]],
    'bytes_per_crop': 1000.0,
    'bytes_per_record': 100.0,
    'bytes_of_indices_per_crop': 20.0,
    'share_with_mask': 1.0,
    'peak_memory_mb': {'films': {'crops': 300}},
}
HEADER = 'dataset,source,width,height,frames,crops,raw_gb,units,unit\n'
ROWS = """\
films,video,2000,1000,400,100,1500,8,takes
reels,video,1000,1000,,~50,,,
stills,images,2000,1500,,<60,~20,,
tiny,images,100,100,,10,,,
secret,images,,,,,,,
"""


@pytest.fixture
def collection(tmp_path):
    path = tmp_path / 'collection.csv'
    path.write_text(HEADER + ROWS)
    return path


@pytest.fixture
def rates(tmp_path):
    path = tmp_path / 'rates.json'
    path.write_text(json.dumps(RATES))
    return path


@pytest.fixture
def datasets(collection):
    return costs.read_collection(collection)


def cropping(datasets, name):
    [dataset] = (d for d in datasets if d.name == name)
    return costs.cropping_core_seconds(dataset, RATES, frames_per_crop=4)


def test_core_seconds_follow_the_formulas(datasets):
    assert costs.mean_frames_per_crop(datasets) == 400 / 100
    assert cropping(datasets, 'films') == 400 * 2 * 0.5 + 100 * 3
    assert cropping(datasets, 'reels') == 50 * 4 * 1 * 0.5 + 50 * 3
    assert cropping(datasets, 'stills') == 60 * 5
    assert cropping(datasets, 'tiny') == 10 * 2
    assert cropping(datasets, 'secret') is None


def test_photographs_larger_than_measured_cost_in_proportion(tmp_path):
    path = tmp_path / 'c.csv'
    path.write_text(HEADER + 'huge,images,4000,2000,,1,,,\n')
    assert cropping(costs.read_collection(path), 'huge') == 5 * 8 / 4


def test_a_smaller_photograph_that_took_longer_counts():
    measured = [[1.0, 6.0], [4.0, 5.0]]
    assert costs._photograph_seconds(3.0, measured) == 6


def test_a_plan_is_in_proportion_to_the_crops(datasets):
    once = costs.plan(datasets, RATES, 220, 4)
    assert once.cropping == 700 + 250 + 300 + 20
    assert once.packing == 220 * 0.25
    assert once.longest_packing == 100 * 0.25
    assert once.longest_cropping == 700 / 64
    assert once.bytes_of_images == 220_000
    assert once.bytes_of_annotations == 220 * 120
    assert once.masks is None
    twice = costs.plan(datasets, RATES, 440, 4, mask_rate=10)
    assert twice.cropping == 2 * once.cropping
    assert twice.longest_packing == 2 * once.longest_packing
    assert twice.masks == 44
    assert twice.loose_files == 880
    assert twice.files == once.files == 5 * len(datasets)
    # ASPset: 64 tasks of crops with 4 files each, 16 of masks with 3, two single tasks, 4 steps.
    assert once.files_of_state == len(datasets) * (64 * 4 + 16 * 3 + 2 * 2 + 4)


def test_the_command_tells_wall_time_for_cores_and_gpus(collection, rates, capsys):
    command = ['--datasets', str(collection), '--rates', str(rates), '--crops', '2.2e6']
    planning.main([*command, '--cores', '10', '--gpus', '2', '--mask-rate', '20'])
    text = capsys.readouterr().out
    assert '2,200,000 of 5 products' in text
    assert '3,528 core-hours: 352.8 h on 10 cores' in text  # 1270 s for 220 crops, ten thousandfold
    assert '31 GPU-hours: 15.3 h on 2 GPUs' in text
    assert '1.5 TB for the 2 whose size is known; not known for 3' in text
    planning.main(command)
    assert 'not known without --mask-rate' in capsys.readouterr().out


def test_the_table_says_how_sure_numbers_are(collection, rates, capsys):
    planning.main(['--datasets', str(collection), '--rates', str(rates), '--markdown'])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith(
        '| films | video 2000 x 1000 | 400 | 100 | 1,500 | 8 takes | 0.194 |'
    )
    assert '| about 50 |' in lines[3]
    assert '| up to 60 | about 20 |' in lines[4]
    assert lines[6] == '| secret | images | - | - | - | - | - | - |'


@pytest.mark.parametrize(
    'row', ['x,radar,1,1,,1,,,', 'x,video,wide,1,,1,,,', 'x,images,1,1,,many,,,']
)
def test_a_wrong_row_is_refused(tmp_path, row):
    path = tmp_path / 'c.csv'
    path.write_text(f'{HEADER}{row}\n')
    with pytest.raises(ValueError, match='radar|wide|many'):
        costs.read_collection(path)


@pytest.mark.parametrize('text', ['0', '-1', 'nan', 'inf', 'some'])
def test_numbers_must_be_positive(text, capsys):
    with pytest.raises(SystemExit):
        planning.main(['--crops', text])
    assert '--crops' in capsys.readouterr().err


def test_names_of_datasets_are_unique():
    names = [d.name for d in costs.read_collection(planning.COLLECTION)]
    assert len(names) == len(set(names))


def test_the_page_shows_what_the_script_prints(capsys):
    planning.main(['--markdown'])
    generated = capsys.readouterr().out.rstrip('\n')
    with open(planning.PAGE, encoding='utf-8') as f:
        page = f.read()
    assert f'{planning.BEGIN}\n{generated}\n{planning.END}' in page
    with pytest.raises(SystemExit) as e:
        planning.main(['--check'])
    assert not e.value.code
    assert planning.updated(page, 'other') != page
