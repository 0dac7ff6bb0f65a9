"""Simulated data and real data are never mistaken for one another."""

import json
import os.path as osp

#: File in the raw folder of a simulated release; it holds the arguments of the simulation.
MARKER = 'SIMULATED.json'


def is_simulated(raw_folder) -> bool:
    """Whether a raw folder holds a simulated release."""
    return osp.exists(osp.join(raw_folder, MARKER))


def simulation_arguments(raw_folder) -> dict | None:
    """What a simulated release was made with; None if it was not simulated."""
    try:
        with open(osp.join(raw_folder, MARKER)) as f:
            return json.load(f)
    except (FileNotFoundError, ValueError):
        return None
