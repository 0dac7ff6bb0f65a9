"""Steps as array jobs of Slurm.

``config.py`` what a person says about the cluster · ``script.py`` a job's script · ``commands.py``
Slurm's programs · ``queue.py`` what is in its queue · ``submission.py`` submits ·
``executor.py`` waits · ``task.py`` runs one task inside a job · ``ended.py`` how tasks ended ·
``rehearsal.py`` what would be submitted.
"""
