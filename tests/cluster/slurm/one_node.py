"""A real Slurm cluster of one node, from Debian's packages slurm-wlm and munge.

Munged, slurmctld and slurmd run as ordinary processes in a folder of their own, on free ports, so
no system service is needed and none is disturbed.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time

PROGRAMS = ('munged', 'slurmctld', 'slurmd', 'sbatch', 'squeue', 'scontrol', 'scancel')

# Indices of arrays are small here, so that splitting them is tried with few tasks. The lifetime of
# credentials is also how long a requeued job has to wait.
_CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/node
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,batch_sched_delay=1
ReturnToService=2
MaxArraySize=5
KillWait=3
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing_programs():
    # Debian keeps the daemons where only root looks.
    return [name for name in PROGRAMS if not _which(name)]


class OneNode:
    """The cluster; ``env`` holds the variables by which Slurm's programs find it."""

    def __init__(self, folder):
        self.folder = folder
        self.host = socket.gethostname().split('.')[0]
        self.env = {'SLURM_CONF': str(folder / 'slurm.conf')}
        self.processes = {}

    def start(self):
        self.folder.chmod(0o755)  # munge refuses sockets that others cannot reach
        for name in ('controller', 'node'):
            (self.folder / name).mkdir()
        key = self.folder / 'munge.key'
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        user = subprocess.run(['id', '-un'], capture_output=True, text=True).stdout.strip()
        config = _CONFIG.format(folder=self.folder, host=self.host, user=user, ports=_free_ports(2))
        (self.folder / 'slurm.conf').write_text(config)
        self._spawn(
            'munged', '--foreground', '--force', f'--key-file={key}',
            f'--socket={self.folder}/munge.socket', f'--pid-file={self.folder}/munged.pid',
            f'--log-file={self.folder}/munged.log', f'--seed-file={self.folder}/munged.seed',
        )  # fmt: skip
        _wait(lambda: (self.folder / 'munge.socket').exists(), 'munged')
        self.start_controller()
        self._spawn('slurmd', '-D', '-f', self.env['SLURM_CONF'], '-N', self.host)
        _wait(lambda: 'idle' in self.call('sinfo', '-h', '-o', '%T'), 'the node')

    def start_controller(self):
        self._spawn('slurmctld', '-D', '-f', self.env['SLURM_CONF'])
        _wait(lambda: 'UP' in self.call('scontrol', 'ping', check=False), 'the controller')

    def stop_controller(self):
        self._end('slurmctld')

    def stop(self):
        self.call('scancel', '--user', str(os.getuid()), check=False)
        for name in list(self.processes):
            self._end(name)

    def call(self, *command, check=True):
        result = subprocess.run(
            command, env=os.environ | self.env, capture_output=True, text=True, timeout=60
        )
        assert not check or result.returncode == 0, (command, result.stderr)
        return result.stdout

    def jobs(self):
        """{(array job, index): state} of what is in the queue."""
        lines = self.call('squeue', '--array', '-h', '-o', '%F|%K|%T').splitlines()
        return {tuple(line.split('|')[:2]): line.split('|')[2] for line in lines}

    def set_node(self, state):
        reason = ['reason=test'] if state == 'drain' else []
        self.call('scontrol', 'update', f'nodename={self.host}', f'state={state}', *reason)

    def _spawn(self, name, *words):
        with open(self.folder / f'{name}.out', 'ab') as f:
            self.processes[name] = subprocess.Popen(
                [_which(name), *words], stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                start_new_session=True, env=os.environ | self.env, preexec_fn=_end_with_parent,
            )  # fmt: skip

    def _end(self, name):
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _end_with_parent():
    # A test run that is killed leaves no cluster behind. 1: PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _which(name):
    return shutil.which(name, path=f'{os.environ.get("PATH", "")}:/usr/sbin:/usr/local/sbin')


def _free_ports(n):
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _wait(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f'{what} did not come up'
        time.sleep(0.2)
