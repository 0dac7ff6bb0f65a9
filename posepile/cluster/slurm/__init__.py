"""Steps as array jobs of Slurm.

``config.py`` what a person says about the cluster · ``script.py`` a job's script · ``commands.py``
Slurm's programs · ``queue.py`` what is in its queue · ``executor.py`` submits and waits ·
``task.py`` runs one task inside a job.
"""
