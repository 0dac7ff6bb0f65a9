import os
import threading

from posepile.raw.locks import open_locked


def test_who_waited_does_not_get_a_file_that_was_renamed(tmp_path):
    path = tmp_path / 'work'
    is_held, waiter_got = threading.Event(), []

    def wait_for_it():
        is_held.wait()
        with open_locked(path) as f:
            waiter_got.append(f.read())
            f.write(b'second')

    waiter = threading.Thread(target=wait_for_it)
    waiter.start()
    with open_locked(path) as f:
        f.write(b'first')
        is_held.set()
        waiter.join(0.2)
        assert waiter.is_alive() and waiter_got == []
        os.rename(path, tmp_path / 'result')
    waiter.join()
    assert waiter_got == [b'']
    assert (tmp_path / 'result').read_bytes() == b'first'
    assert path.read_bytes() == b'second'
