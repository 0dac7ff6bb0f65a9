"""Labels and losses of the studio's segmenter, computed on the device without waiting for it.

Used by ``studio_people_training.py``. The losses are those of Ultralytics for networks with two
heads (``E2ELoss`` of ``v8SegmentationLoss``), in another form: everything has a fixed shape, as
if each picture had the greatest number of people and of positive anchors, so that the program on
the host never has to ask the device how many there are. The masks of only some positive anchors
of a picture, drawn by lot, enter the loss, as those of one person hardly differ.
"""

import typing

import torch
import torch.nn.functional as F
from ultralytics.cfg import get_cfg
from ultralytics.utils.loss import BCEDiceLoss
from ultralytics.utils.metrics import bbox_iou
from ultralytics.utils.tal import TaskAlignedAssigner

MOST_PEOPLE = 7
MASK_STRIDE = 4
_LEAST_AREA = 40  # visible pixels of a person worth a label
_NAMES = ('box', 'mask', 'class', 'distance', 'semantic')


class Labels(typing.NamedTuple):
    """People in B pictures; those who are not there or too little visible have boxes of zeros.

    Attributes:
        boxes: (B, MOST_PEOPLE, 4) [left, top, right, bottom] px, edges of pixels.
        is_there: (B, MOST_PEOPLE) bool.
        masks: (B, h / 4, w / 4) float: who is seen, numbers from 1; 0 = nobody.
    """

    boxes: torch.Tensor
    is_there: torch.Tensor
    masks: torch.Tensor


def find_labels(ids):
    """The :class:`Labels` of instance ids (B, h, w), floats from 0 (nobody) to MOST_PEOPLE."""
    _, h, w = ids.shape
    numbers = torch.arange(1, MOST_PEOPLE + 1, device=ids.device)
    is_person = ids[:, None] == numbers[:, None, None]
    is_there = is_person.sum((2, 3)) >= _LEAST_AREA
    columns, rows = is_person.any(2).byte(), is_person.any(3).byte()
    left, top = columns.argmax(2), rows.argmax(2)
    right, bottom = w - columns.flip(2).argmax(2), h - rows.flip(2).argmax(2)
    boxes = torch.stack([left, top, right, bottom], dim=-1) * is_there[..., None]
    start = MASK_STRIDE // 2
    masks = ids[:, start::MASK_STRIDE, start::MASK_STRIDE]
    kept = F.pad(is_there, (1, 0)).gather(1, masks.long().flatten(1)).view_as(masks)
    return Labels(boxes.float(), is_there, masks * kept)


class PeopleLoss:
    """The loss of a segmenter with one class, no distribution of distances, and two heads.

    Args:
        network: the segmenter; says which strides its anchors have.
        most_masks: of how many positive anchors of a picture masks are judged, at most.
    """

    names = _NAMES

    def __init__(self, network, most_masks=16):
        head = network.model[-1]
        if head.nc != 1 or head.reg_max != 1:
            raise ValueError('The loss is for one class and distances without distributions.')
        gains = get_cfg()
        device = next(network.parameters()).device
        self._gains = torch.tensor(
            [gains.box, gains.box, gains.cls, gains.dfl, gains.box], device=device
        )
        self._unit_box = torch.tensor([0.0, 0.0, 1.0, 1.0], device=device)
        self._strides = [int(s) for s in head.stride]
        self._most_masks = most_masks
        self._overlap_of_regions = BCEDiceLoss(weight_bce=0.5, weight_dice=0.5)
        options = dict(num_classes=1, alpha=0.5, beta=6.0, stride=self._strides)
        # Positive anchors of each person: ten for the head with duplicates, one for the other.
        self._many = _FixedAssigner(topk=10, **options), 10 * MOST_PEOPLE
        self._one = _FixedAssigner(topk=7, topk2=1, **options), MOST_PEOPLE
        self._anchors = {}

    def __call__(self, predictions, labels, share_of_many):
        """The loss of a batch.

        Args:
            predictions: what the network returns in training.
            labels: the :class:`Labels`.
            share_of_many: weight of the head that finds people several times, 0 to 1.

        Returns:
            The loss per batch, and its parts by ``names``, (5,) without gradient: those of the
            head that finds everybody once, but for the semantic part, which there is once.
        """
        many, semantic = self._loss(predictions['one2many'], labels, *self._many)
        one, _ = self._loss(predictions['one2one'], labels, *self._one)
        many = torch.stack([*many, semantic]) * self._gains
        one = torch.stack([*one, semantic.detach()]) * self._gains
        return many.sum() * share_of_many + one.sum() * (1 - share_of_many), one.detach()

    def _loss(self, predicted, labels, assigner, n_most):
        """The four parts of the loss of one head, and the semantic one."""
        distances = predicted['boxes'].transpose(1, 2).float()
        scores = predicted['scores'].transpose(1, 2).float()
        anchors, strides, size = self._anchors_of(predicted['feats'])
        boxes = torch.cat([anchors - distances[..., :2], anchors + distances[..., 2:]], dim=-1)
        boxes, anchors = boxes * strides, anchors * strides
        is_there = labels.is_there[..., None]
        _, target_boxes, target_scores, is_positive, person = assigner(
            scores.detach().sigmoid(), boxes.detach(), anchors, torch.zeros_like(is_there).long(),
            labels.boxes, is_there.float(),
        )  # fmt: skip
        total = target_scores.sum().clamp(min=1)
        class_loss = F.binary_cross_entropy_with_logits(scores, target_scores, reduction='sum')

        is_used, place = is_positive.float().topk(n_most, dim=1)
        is_used = is_used > 0

        def pick(values, places=place):
            return values.gather(1, places[..., None].expand(-1, -1, values.shape[-1]))

        # Any box will do where there is none: its weight is 0 and it must have no gradient.
        target = torch.where(is_used[..., None], pick(target_boxes), self._unit_box)
        found = torch.where(is_used[..., None], pick(boxes), self._unit_box)
        weight = pick(target_scores)[..., 0] * is_used
        iou = bbox_iou(found, target, xywh=False, CIoU=True)[..., 0]
        box_loss = ((1 - iou) * weight).sum()

        centres = anchors[place]
        wanted = torch.cat([centres - target[..., :2], target[..., 2:] - centres], dim=-1)
        off = (pick(distances * strides) - wanted).abs() / size
        distance_loss = (off.mean(dim=-1) * weight).sum()

        prototypes, regions = predicted['proto']
        lot = torch.where(is_used, torch.rand_like(weight) + 1, 0)
        lot, chosen = lot.topk(min(self._most_masks, n_most), dim=1)
        drawn = place.gather(1, chosen)
        mask_loss = _mask_loss(
            pick(predicted['mask_coefficient'].transpose(1, 2), drawn), prototypes,
            pick(target, chosen) / MASK_STRIDE, person.gather(1, drawn), labels.masks, lot > 0,
        )  # fmt: skip
        is_somebody = (labels.masks != 0)[:, None].float()
        semantic_loss = self._overlap_of_regions(regions.float(), is_somebody)
        parts = box_loss / total, mask_loss, class_loss / total, distance_loss / total
        return parts, semantic_loss

    def _anchors_of(self, features):
        """Centres of cells (A, 2) in strides, (A, 1) strides and (4,) the size of the image."""
        shapes = tuple(tuple(f.shape[2:]) for f in features)
        if shapes not in self._anchors:
            centres, strides = [], []
            for (h, w), stride in zip(shapes, self._strides, strict=True):
                y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing='ij')
                centres.append(torch.stack([x, y], dim=-1).view(-1, 2))
                strides.append(torch.full((h * w, 1), float(stride)))
            (h, w), stride = shapes[0], self._strides[0]
            size = torch.tensor([w, h, w, h]) * float(stride)
            constants = torch.cat(centres), torch.cat(strides), size
            self._anchors[shapes] = tuple(c.to(features[0].device) for c in constants)
        return self._anchors[shapes]


def _mask_loss(coefficients, prototypes, boxes, person, masks, is_used):
    """Mean over positive anchors of the cross entropy inside the person's box.

    Args:
        coefficients: (B, n, c) of the masks.
        prototypes: (B, c, h, w); the products are of their precision.
        boxes: (B, n, 4) of the people in pixels of the prototypes.
        person: (B, n) indices from 0.
        masks: (B, h, w) numbers from 1.
        is_used: (B, n) bool: the others are left out.
    """
    h, w = masks.shape[1:]
    products = torch.bmm(coefficients.to(prototypes.dtype), prototypes.flatten(2))
    logits = products.view(*person.shape, h, w).float()
    wanted = (masks[:, None] == person[..., None, None] + 1).float()
    loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction='none')
    x, y = torch.arange(w, device=masks.device), torch.arange(h, device=masks.device)
    in_columns = (x >= boxes[..., :1]) & (x < boxes[..., 2:3])
    in_rows = (y >= boxes[..., 1:2]) & (y < boxes[..., 3:])
    inside = in_columns[:, :, None] & in_rows[..., None] & is_used[..., None, None]
    size = (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)
    return ((loss * inside).sum((2, 3)) / size).sum() / is_used.sum().clamp(min=1)


class _FixedAssigner(TaskAlignedAssigner):
    """The assignment of anchors to people, over all pairs of them instead of a list of some."""

    def get_box_metrics(self, pd_scores, pd_bboxes, gt_labels, gt_bboxes, mask_gt):
        """As in the base class, which says what the arguments are; there is one class only."""
        overlaps = bbox_iou(gt_bboxes[:, :, None], pd_bboxes[:, None], xywh=False, CIoU=True)
        overlaps = overlaps[..., 0].clamp(min=0) * mask_gt
        scores = pd_scores[..., 0][:, None]
        return scores.pow(self.alpha) * overlaps.pow(self.beta), overlaps

    def select_candidates_in_gts(self, xy_centers, gt_bboxes, mask_gt, eps=1e-9):
        """As in the base class: small boxes are enlarged, so that anchors lie inside."""
        centre = (gt_bboxes[..., :2] + gt_bboxes[..., 2:]) / 2
        size = gt_bboxes[..., 2:] - gt_bboxes[..., :2]
        half = torch.where(mask_gt > 0, size.clamp(min=self.stride_val), size) / 2
        away = (xy_centers - centre[:, :, None]).abs()
        return (half[:, :, None] - away > eps).all(dim=-1)
