"""One task of a step as a process: its environment, its end, its mark."""

import os
import signal
import subprocess
import sys
import time

from posepile.cluster import process
from posepile.cluster.resources import THREAD_VARIABLES
from posepile.cluster.state import DONE, FAILED, RUNNING, read_json, remove
from posepile.cluster.watchdog import kill_group
from posepile.errors import PosePileError

#: Variables that concern the runner. A task that starts a pipeline itself must not see them.
RUNNER_VARIABLES = (
    'POSEPILE_DETACH',
    'POSEPILE_EXECUTOR',
    'POSEPILE_FORCE',
    'POSEPILE_KEEP',
    'POSEPILE_LOCK_FD',
    'POSEPILE_RESUME',
    'POSEPILE_RETRY_FAILED',
    'POSEPILE_RUN_ID',
    'POSEPILE_RUN_PID',
    'POSEPILE_SCRIPT',
    'POSEPILE_UNTIL',
    'POSEPILE_WATCH_PIDS',
)


_SECONDS_TO_TERMINATE = 5


class Task:
    """A running task. It leads a process group of its own, so that nothing of it is left behind.

    Args:
        state: the :class:`~posepile.cluster.state.StepState` of its step.
        i_task: its number.
        command: list of words; ``python`` as the first one is the running interpreter.
        environment: variables to set in addition to those of this process.
        job: number of the Slurm job that this process is, if it is one.

    Raises:
        PosePileError: if the system cannot run the command.
    """

    def __init__(self, state, i_task, command, environment, job=None):
        self.state = state
        self.i_task = i_task
        self.log_path = state.log_path(i_task)
        self.started = time.monotonic()
        remove(state.report_path(i_task))

        words = list(command)
        if words[0] in ('python', 'python3'):
            words[0] = sys.executable
        env = {k: v for k, v in os.environ.items() if k not in RUNNER_VARIABLES}
        env |= environment
        env['POSEPILE_TASK_REPORT'] = state.report_path(i_task)
        with open(self.log_path, 'wb') as log:
            try:
                self.process = subprocess.Popen(
                    words,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as e:
                raise PosePileError(f'Step {state.name} cannot run {words[0]!r}: {e}') from e
        self.pid = self.process.pid
        since = time.strftime('%Y-%m-%dT%H:%M:%S%z')
        try:
            in_job = {} if job is None else {'job': job}
            state.set_mark(i_task, RUNNING, **process.identity(self.pid), since=since, **in_job)
        except PosePileError:
            kill_group(self.pid)
            self._reap()
            raise

    def poll(self) -> dict | None:
        """The mark of the task if it has ended (also written to its file), else None."""
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        # Before the process is waited for, its number cannot go to another group.
        kill_group(self.pid)
        exit_code, peak_memory_mb = self._reap()
        seconds = round(time.monotonic() - self.started, 3)

        problem, report = None, {}
        if exit_code != 0:
            problem = _describe_exit(exit_code)
        else:
            report, problem = _read_report(self.state.report_path(self.i_task))
        if problem:
            fields = {'exit_code': exit_code, 'problem': problem, 'log': self.log_path}
            self.state.set_mark(self.i_task, FAILED, **fields, seconds=seconds)
        else:
            fields = {'seconds': seconds, 'peak_memory_mb': peak_memory_mb, 'report': report}
            ended = time.strftime('%Y-%m-%dT%H:%M:%S%z')
            self.state.set_mark(self.i_task, DONE, **fields, ended=ended)
        remove(self.state.report_path(self.i_task))
        return self.state.mark(self.i_task)

    def signal(self, signum):
        """Send a signal to the whole process group of the task."""
        kill_group(self.pid, signum)

    def reap_without_mark(self) -> bool:
        """Whether the task has ended, for whatever reason; if so it is pending again."""
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        kill_group(self.pid)
        self._reap()
        self.state.clear_mark(self.i_task)
        remove(self.state.report_path(self.i_task))
        return True

    def refresh_mark(self):
        """Show other hosts, by the time of the mark's last change, that the task is alive."""
        os.utime(self.state.mark_path(self.i_task))

    def _reap(self):
        """Wait for the ended process; returns exit code and peak resident memory in MB.

        The memory is that of the largest single process among the task and its children, and at
        least that of this process, of which the task was a copy before it ran its command.
        """
        _, status, usage = os.wait4(self.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return self.process.returncode, round(usage.ru_maxrss * 1024 / 1e6, 1)


def end_tasks(tasks, signals, ended=lambda task: None):
    """End running tasks, politely first, then by force; they are pending again.

    Args:
        signals: :class:`~posepile.cluster.signals.Signals`, to wait with.
        ended: called with each task that has ended.
    """
    tasks = list(tasks)
    for signum in (signal.SIGTERM, signal.SIGKILL):
        for task in tasks:
            task.signal(signum)
        deadline = time.monotonic() + _SECONDS_TO_TERMINATE
        while tasks and (signum == signal.SIGKILL or time.monotonic() < deadline):
            for task in list(tasks):
                if task.reap_without_mark():
                    tasks.remove(task)
                    ended(task)
            if tasks:
                signals.wait(0.1)


def task_environment(dataset, step, i_task, n_tasks, n_threads) -> dict[str, str]:
    """The variables by which a task knows what it is. Thread limits of the user are respected."""
    env = {
        'SLURM_ARRAY_TASK_ID': str(i_task),
        'SLURM_ARRAY_TASK_COUNT': str(n_tasks),
        'POSEPILE_DATASET': dataset,
        'POSEPILE_STEP': step,
        'PYTHONUNBUFFERED': '1',
    }
    return env | {name: str(n_threads) for name in THREAD_VARIABLES if name not in os.environ}


def _describe_exit(exit_code):
    if exit_code >= 0:
        return f'exit status {exit_code}'
    text = f'ended by {signal.Signals(-exit_code).name}'
    return text + ' (out of memory?)' if exit_code == -signal.SIGKILL else text


def _read_report(path):
    """The report that a task left, and what is wrong with it (one of them is empty)."""
    if not os.path.exists(path):
        return {}, None
    report = read_json(path)
    if report is None:
        return {}, f'the report that it left ({path}) is no JSON object'
    for key, value in report.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        is_texts = isinstance(value, list) and all(isinstance(v, str) for v in value)
        if not is_number and not is_texts:
            return {}, f'its report holds {key!r}, neither a number nor a list of texts: {value!r}'
    return report, None
