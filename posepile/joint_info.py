"""Names, left-right pairs and stick figure of a skeleton."""

import warnings


class JointIds(dict):
    """Joint name -> index, also as attributes: ``ids['lsho'] == ids.lsho``."""

    __slots__ = ()

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f'There is no joint named {name!r}.') from None


class JointInfo:
    """The joints of a skeleton and the edges that are drawn and measured between them.

    Args:
        joints: comma-separated names, an iterable of names, or a mapping of names to the indices
            0 .. J-1.
        edges: comma-separated dash paths such as ``'htop-head-neck,neck-rsho-relb'``, of which
            only one side has to be written, or an iterable of index pairs. See
            :meth:`add_edges`.

    Attributes:
        names: list of J joint names, ordered by index.
        ids: mapping of names to indices with attribute access.
        mirror_mapping: list of J ints, the index of the opposite-side joint of each joint. A
            joint whose name begins with ``l`` or ``r`` and whose partner is missing maps to
            itself, with a warning.
        stick_figure_edges: list of pairs of ints. Their order and number define the layout of
            bone-length vectors.

    Raises:
        ValueError: if names repeat, or if the indices of a mapping are not 0 .. J-1.
        TypeError: if ``joints`` is neither of the above.
    """

    def __init__(self, joints, edges=()):
        self.names = _as_names(joints)
        self.ids = self.make_id_map(self.names)
        self.mirror_mapping = self._infer_mirror_mapping()
        self.stick_figure_edges = []
        self.add_edges(edges)

    @property
    def n_joints(self) -> int:
        return len(self.names)

    def add_edges(self, edges):
        """Append edges, after those that are already there.

        Dash paths are walked pair by pair. Pairs with an unknown name are skipped, the others
        are appended with ascending indices, each followed by its mirror image where that
        differs. Index pairs are appended as they are. Nothing is de-duplicated: a path written
        for both sides counts twice.
        """
        if not isinstance(edges, str):
            self.stick_figure_edges.extend((int(i), int(j)) for i, j in edges)
            return

        for path in edges.split(','):
            names = [name.strip() for name in path.split('-')]
            for first, second in zip(names, names[1:], strict=False):
                if first not in self.ids or second not in self.ids:
                    continue
                ends = self.ids[first], self.ids[second]
                edge = tuple(sorted(ends))
                mirrored_edge = tuple(sorted(self.mirror_mapping[i] for i in ends))
                self.stick_figure_edges.append(edge)
                if mirrored_edge != edge:
                    self.stick_figure_edges.append(mirrored_edge)

    def select_joints(self, indices) -> 'JointInfo':
        """The skeleton of the given joints, in the given order, with the edges among them."""
        indices = [int(i) for i in indices]
        new_index = {old: new for new, old in enumerate(indices)}
        edges = [
            (new_index[i], new_index[j])
            for i, j in self.stick_figure_edges
            if i in new_index and j in new_index
        ]
        return JointInfo([self.names[i] for i in indices], edges)

    def update_names(self, new_names):
        """Rename all joints. Edges and mirror mapping stay, as they are made of indices."""
        new_names = _as_names(new_names)
        if len(new_names) != self.n_joints:
            raise ValueError(f'Expected {self.n_joints} joint names, got {len(new_names)}.')
        self.ids = self.make_id_map(new_names)
        self.names = new_names

    @staticmethod
    def make_id_map(names) -> JointIds:
        """Name -> running index."""
        ids = JointIds((name, i) for i, name in enumerate(names))
        if len(ids) != len(names):
            repeated = sorted({name for name in names if list(names).count(name) > 1})
            raise ValueError(f'Joint names must be unique, but these repeat: {repeated}')
        return ids

    @staticmethod
    def other_side_joint_name(name: str) -> str:
        """Exchange a leading ``l`` and ``r``; other names are their own mirror image."""
        return {'l': 'r', 'r': 'l'}.get(name[:1], name[:1]) + name[1:]

    def _infer_mirror_mapping(self):
        partners = [self.ids.get(self.other_side_joint_name(name)) for name in self.names]
        lonely = [
            name for name, partner in zip(self.names, partners, strict=True) if partner is None
        ]
        if lonely:
            warnings.warn(
                'These joints have no partner on the other side and mirror to themselves: '
                + ', '.join(lonely),
                stacklevel=3,
            )
        return [i if partner is None else partner for i, partner in enumerate(partners)]

    def __eq__(self, other):
        if not isinstance(other, JointInfo):
            return NotImplemented
        return self.names == other.names and self.stick_figure_edges == other.stick_figure_edges

    __hash__ = None

    def __str__(self):
        bones = ', '.join(f'{self.names[i]}-{self.names[j]}' for i, j in self.stick_figure_edges)
        return f'Joints: {", ".join(self.names)}\nBones: {bones}'

    def __repr__(self):
        return f'JointInfo({",".join(self.names)!r}, {self.stick_figure_edges!r})'

    def __getstate__(self):
        state = dict(self.__dict__)
        del state['ids']
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        # Old pickles hold the mapping as an object of another class; the names tell it all.
        self.ids = self.make_id_map(self.names)


def get_joint2bone_mat(joint_info: JointInfo):
    """Matrix that maps joint positions to bone vectors.

    Returns:
        (E, J) float32; row e is +1 at the first joint of edge e and -1 at the second.
    """
    import numpy as np

    edges = np.array(joint_info.stick_figure_edges, np.int64).reshape(-1, 2)
    joint2bone = np.zeros((len(edges), joint_info.n_joints), np.float32)
    rows = np.arange(len(edges))
    joint2bone[rows, edges[:, 0]] = 1
    joint2bone[rows, edges[:, 1]] = -1
    return joint2bone


def _as_names(joints):
    if isinstance(joints, str):
        return [name.strip() for name in joints.split(',')] if joints.strip() else []
    if isinstance(joints, dict):
        if sorted(int(i) for i in joints.values()) != list(range(len(joints))):
            raise ValueError(f'Joint indices must be 0 to {len(joints) - 1}, each once: {joints}')
        return [_as_text(name) for name in sorted(joints, key=joints.get)]
    if isinstance(joints, (list, tuple)) or hasattr(joints, 'tolist'):
        return [_as_text(name) for name in joints]
    raise TypeError(
        'Joints must be a comma-separated string, a list of names or a mapping of names to '
        f'indices, not {type(joints).__name__}.'
    )


def _as_text(name):
    if isinstance(name, bytes):
        name = name.decode()
    if not isinstance(name, str):
        raise TypeError(f'A joint name must be text, not {name!r}.')
    return str(name)  # plain str also for numpy.str_
