import pytest

from posepile.ds.aspset.splits import load_clips, load_split
from posepile.errors import RawDataError


def write(tmp_path, text):
    path = tmp_path / 'splits.csv'
    path.write_text(text)
    return path


def test_all_expands_and_order_is_kept(tmp_path):
    path = write(tmp_path, '0aaa,0002,train,all\n0ccc,0001,test,right\n\n0bbb,0001,val,mid\n')
    train, val, test = load_split(path)
    assert train == [('0aaa', '0002', view) for view in ('left', 'mid', 'right')]
    assert val == [('0bbb', '0001', 'mid')]
    assert test == [('0ccc', '0001', 'right')]


def test_rows_of_one_clip_are_united(tmp_path):
    path = write(tmp_path, 'a,1,test,right\na,1,test,left\na,1,test,right\nb,1,test,mid\n')
    clips = load_clips(path)
    assert [clip.views for clip in clips] == [('right', 'left'), ('mid',)]
    assert load_split(path)[2] == [('a', '1', 'right'), ('a', '1', 'left'), ('b', '1', 'mid')]


@pytest.mark.parametrize('header', ['subject_id,clip_id,split,camera_id', 'Subject,Clip,Part,View'])
def test_header_row_is_no_clip(tmp_path, header):
    path = write(tmp_path, f'{header}\na,1,test,mid\n')
    assert load_split(path) == ([], [], [('a', '1', 'mid')])


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a,1,train\n', 'row 1 has 3 columns'),
        ('a,1,train,all\nb,1,val,all,x\n', 'row 2 has 5 columns'),
        ('a,1,train,front\n', "'front'"),
        ('a,1,trian,all\n', "'trian'"),
        ('a,1,train,all\nb,1,split,camera_id\n', 'row 2'),
    ],
)
def test_damaged_files_are_named(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(RawDataError, match=message) as e:
        load_split(path)
    assert str(path) in str(e.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(RawDataError, match='common-splits'):
        load_split(tmp_path / 'splits.csv')
    (tmp_path / 'splits.csv').write_bytes(b'\xff\xfe\x00\x81')
    with pytest.raises(RawDataError):
        load_split(tmp_path / 'splits.csv')


def test_byte_order_mark_is_no_part_of_a_name(tmp_path):
    path = write(tmp_path, '\ufeffa,1,test,mid\n')
    assert [clip.subject for clip in load_clips(path)] == ['a']
