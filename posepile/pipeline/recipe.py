"""What a dataset folder declares about one of its products."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, field

from posepile import paths
from posepile.clips import Clip
from posepile.joint_info import JointInfo
from posepile.pipeline.crop_geometry import USUAL_FRAMING, Framing
from posepile.util import TEST, TRAIN, VALID


@dataclass(frozen=True)
class Recipe:
    """How one product is made from a raw release.

    Attributes:
        name: the product's name: ``packed/<name>``.
        joint_info: its skeleton.
        list_clips: () -> all clips as (unique name, argument of ``read_clip``), in a fixed order,
            without reading more than lists. Raises RawDataError if the release is not there.
        read_clip: (argument) -> :class:`~posepile.clips.Clip`.
        kind: ``'3d'`` or ``'2d'``.
        crops_folder: top folder of the crop paths, relative to DATA_ROOT.
        splits: the splits that it fills.
        stores_joints: whether examples have coordinates of joints. False where the pose is in the
            body-model parameters; the joints of clips then only say who is seen when.
        expansion, extreme_perspective, framing: see
            :func:`~posepile.pipeline.crop_geometry.plan_crop`.
        mask_key_components: mask files made elsewhere name a crop by this many last components
            of its path; None: by its path below ``crops_folder``.
        mask_of: which masks are attached, of the ``'person'``, of all ``'people'`` in the crop or
            of ``'nobody'``.
        options: what distinguishes this product from others of the folder; goes into the
            archives' metadata.
    """

    name: str
    joint_info: JointInfo
    list_clips: Callable[[], Sequence[tuple[str, Hashable]]]
    read_clip: Callable[[Hashable], Clip]
    crops_folder: str
    kind: str = '3d'
    splits: tuple[int, ...] = (TRAIN, VALID, TEST)
    stores_joints: bool = True
    expansion: float = 1.0
    extreme_perspective: bool = False
    framing: Framing = USUAL_FRAMING
    mask_key_components: int | None = None
    mask_of: str = 'person'
    options: dict = field(default_factory=dict)

    def fingerprint(self) -> dict:
        """What must agree for crops made at different times to belong together."""
        framing = {} if self.framing == USUAL_FRAMING else dict(framing=asdict(self.framing))
        return dict(
            **framing,
            name=self.name,
            kind=self.kind,
            joint_names=list(self.joint_info.names),
            expansion=self.expansion,
            extreme_perspective=self.extreme_perspective,
            options=self.options,
        )

    def open(self):
        """The packed product, as :func:`posepile.datasets3d.get_dataset` gives it."""
        from posepile.storage.access import open_product

        return open_product(self.name, self.kind)

    @property
    def shards_dir(self):
        """Where crop tasks leave their results: with the step's state, to go when it is forced."""
        return f'{paths.step_dir(self.name, "crops")}/shards'

    @property
    def masks_dir(self):
        """Where the tasks of the masks step leave their results."""
        return f'{paths.step_dir(self.name, "masks")}/results'
