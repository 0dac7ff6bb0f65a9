"""Differentiable batched Procrustes alignment for training code (needs PyTorch)."""


def procrustes_torch(X, Y, validity_mask, allow_scaling=False, allow_reflection=False):
    """Align the points Y to the points X.

    Args:
        X: (B, J, D) tensor, the targets.
        Y: (B, J, D) tensor, the points to be transformed.
        validity_mask: (B, J) bool tensor, True where both X and Y are valid. Invalid points take
            no part, but are transformed with the others.
        allow_scaling: whether the scale is free; it is 1 otherwise.
        allow_reflection: whether a reflection is allowed where it fits better.

    Returns:
        (B, J, D) tensor.
    """
    mean_y, rotation, scale, mean_x = procrustes_torch_transf(
        X, Y, validity_mask, allow_scaling, allow_reflection
    )
    return ((Y - mean_y) @ rotation) * scale + mean_x


def procrustes_torch_transf(X, Y, validity_mask, allow_scaling=False, allow_reflection=False):
    """The transform of :func:`procrustes_torch`.

    Returns:
        ``mean_y`` (B, 1, D), ``T`` (B, D, D), ``scale`` (B, 1, 1) and ``mean_x`` (B, 1, D), such
        that the aligned points are ``((Y - mean_y) @ T) * scale + mean_x``.
    """
    import torch

    valid = validity_mask.unsqueeze(-1)
    n_valid = valid.sum(dim=1, keepdim=True).clamp(min=1)
    zero = torch.zeros((), dtype=X.dtype, device=X.device)

    def normalise(points):
        points = torch.where(valid, points, zero)
        mean = points.sum(dim=1, keepdim=True) / n_valid
        centred = torch.where(valid, points - mean, zero)
        norm = torch.linalg.norm(centred, dim=(1, 2), keepdim=True)
        return mean, centred / norm.clamp(min=torch.finfo(points.dtype).tiny), norm

    mean_x, x0, norm_x = normalise(X)
    mean_y, y0, norm_y = normalise(Y)
    u, s, vt = torch.linalg.svd(x0.transpose(1, 2) @ y0)
    rotation = (u @ vt).transpose(1, 2)
    trace = s.sum(dim=-1)

    if not allow_reflection:
        # Turning back the least singular direction is the cheapest way out of a reflection.
        is_reflection = torch.linalg.det(rotation) < 0
        mirror = 2 * vt[:, -1, :, None] * u[:, None, :, -1]
        rotation = rotation - torch.where(is_reflection[:, None, None], mirror, zero)
        trace = trace - torch.where(is_reflection, 2 * s[:, -1], zero)

    if not allow_scaling:
        return mean_y, rotation, torch.ones_like(norm_x), mean_x
    scale = trace[:, None, None] * norm_x / norm_y.clamp(min=torch.finfo(X.dtype).tiny)
    return mean_y, rotation, scale, mean_x
