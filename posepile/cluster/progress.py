"""What a person sees while a step runs: a live line on a terminal, plain lines elsewhere."""

import contextlib
import os
import re
import sys
import time

_PLAIN_SECONDS = 30
_CONTROL = re.compile(r'\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]')


def show_progress(title, n_tasks, n_done):
    """Context manager with ``update(n_done, running_tasks)``; ``n_done`` are done before."""
    kind = LiveProgress if sys.stderr.isatty() else PlainProgress
    return kind(title, n_tasks, n_done)


class PlainProgress:
    """A line at the start and one every half minute."""

    def __init__(self, title, n_tasks, n_done):
        self.title = title
        self.n_tasks = n_tasks
        self.n_done_before = n_done
        self.start = time.monotonic()
        self.last_line = self.start

    def __enter__(self):
        before = f', {self.n_done_before} done before' if self.n_done_before else ''
        say(f'{self.title}: {count(self.n_tasks, "task")}{before}')
        return self

    def __exit__(self, *_):
        pass

    def update(self, n_done, running):
        now = time.monotonic()
        if now - self.last_line < _PLAIN_SECONDS:
            return
        self.last_line = now
        rate = rate_text(n_done - self.n_done_before, self.n_tasks - n_done, now - self.start)
        say(f'{self.title}: {n_done} of {self.n_tasks} done, {len(running)} running{rate}')


class LiveProgress:
    """A bar with counts, rate and time left, and the last line that a task has written."""

    def __init__(self, title, n_tasks, n_done):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.n_tasks = n_tasks
        self.n_done_before = n_done
        self.start = time.monotonic()
        # Of the title, the bar, the counts and what separates them and a line of a task.
        self.used_width = len(title) + 24 + 2 * len(str(n_tasks)) + 9
        # No refreshing thread: the executor's loop refreshes, and forks only from one thread.
        self.progress = Progress(
            TextColumn('{task.description}', markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn('{task.fields[note]}', markup=False),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        self.bar = self.progress.add_task(title, total=n_tasks, completed=n_done, note='')

    def __enter__(self):
        self.progress.start()
        return self

    def __exit__(self, *_):
        self.progress.stop()

    def update(self, n_done, running):
        seconds = time.monotonic() - self.start
        note = f'{len(running)} running, {duration(seconds)}'
        note += rate_text(n_done - self.n_done_before, self.n_tasks - n_done, seconds)
        last = last_line(running[-1].log_path) if running else ''
        room = self.progress.console.width - self.used_width - len(note)
        if last and room > 10:
            note += f' | {last[:room]}'
        self.progress.update(self.bar, completed=n_done, note=note, refresh=True)


def say(text):
    """Tell the person. A terminal that was closed is no reason to stop working."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def count(n, noun) -> str:
    return f'{n} {noun}' if n == 1 else f'{n} {noun}s'


def rate_text(n_done, n_left, seconds):
    """Rate and time left from the tasks done in this start; empty before the first."""
    if n_done == 0 or n_left == 0:
        return ''
    rate = n_done / seconds
    return f', {rate * 60:.3g} tasks/min, about {duration(n_left / rate)} left'


def duration(seconds) -> str:
    """For people: ``4.2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f'{seconds:.1f} s'
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f'{minutes} min {rest} s'
    return f'{minutes // 60} h {minutes % 60} min'


def log_tail(path, n_lines=20) -> list[str]:
    """The last lines of a log, without terminal control; empty if there is none."""
    if not os.path.exists(path):
        return []
    with open(path, 'rb') as f:
        f.seek(max(0, os.path.getsize(path) - 65536))
        text = f.read().decode('utf-8', 'replace')
    # A progress bar returns to the start of its line: only what was written last is of interest.
    lines = [line.rstrip('\r').rpartition('\r')[2] for line in text.rstrip().split('\n')]
    return [_CONTROL.sub('', line).rstrip() for line in lines[-n_lines:]] if text.strip() else []


def last_line(path) -> str:
    lines = log_tail(path, 1)
    return lines[0] if lines else ''
