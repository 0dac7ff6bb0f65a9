"""Small files in the release's formats, for tests that need no people in them."""

import os

import numpy as np
from cdflib.cdfwrite import CDF

CAMERAS = ('54138969', '55011271', '58860488', '60457274')
# S1's, see Release-v1.2/metadata.xml: three angles (rad), optical centre (mm).
EXTRINSICS = np.array(
    [
        [-1.38382776, -3.167343044, 0.4136363082, 1841.107028, 4955.284623, 1563.445396],
        [-1.355171191, 3.139344271, 2.76026318, 1761.278534, -5078.006595, 1606.26496],
        [-1.354604538, -3.095853755, -0.4150106814, -1846.777661, 5215.046505, 1491.972466],
        [-1.290847257, -3.203538253, -2.728572987, -1794.789729, -3722.698915, 1574.892726],
    ]
)
# fx, fy, cx, cy, k1, k2, k3, p1, p2
INTRINSICS = np.array(
    [
        [1145.049404588, 1143.781095724, 512.5415049565, 515.4514869776, -0.2070989108249,
         0.247775183069, -0.003075150350789, -0.001424471574703, -0.0009756988594705],
        [1149.675699868, 1147.591616668, 508.8486216459, 508.0649170886, -0.1942136296074,
         0.2404085391383, 0.006819975590226, -0.002740894396191, -0.001619026613787],
        [1149.140716761, 1148.798968568, 519.8158371822, 501.4026588886, -0.2083381882519,
         0.2554880074889, -0.002460497498919, -0.0007599993210303, 0.001484386983857],
        [1145.511338423, 1144.773928077, 514.9681973199, 501.8820185377, -0.1983840938278,
         0.218323676298, -0.008947807041521, -0.001813362004881, -0.0005872055834212],
    ]
)  # fmt: skip
ACTION_NAMES = (
    'Miscellaneous Directions Discussion Eating Greeting Phoning Posing Purchases Sitting '
    'SittingDown Smoking TakingPhoto Waiting Walking WalkingDog WalkingTogether'
).split()


def extrinsics_of(subject):
    """(4, 6); another studio calibration for each subject."""
    return EXTRINSICS + 0.01 * (subject - 1) * np.array([1, -1, 1, 1000, 2000, -500])


def take_name(subject, action, subaction):
    """Base names in the manner of the release, where only S1 has the long ones."""
    name = ('_ALL', *ACTION_NAMES[1:])[action - 1]
    if subject != 1:
        name = {'TakingPhoto': 'Photo', 'WalkingDog': 'WalkDog'}.get(name, name)
    if name == 'WalkingTogether':
        name = 'WalkTogether'
    return f'{name} 1' if subaction == 1 else name


def write_metadata(path):
    def row(*cells):
        return '<tr>' + ''.join(f'<td>{c}</td>' for c in cells) + '</tr>'

    subjects = range(1, 12)
    rows = [row('Action', 'subaction', *(f'S{s}' for s in subjects))]
    for action in range(1, 17):
        for sub in (1, 2):
            rows.append(row(action, sub, *(take_name(s, action, sub) for s in subjects)))
    rows.append(row('Action', 'subaction', *['Irina'] * 11))
    rows.append(row('', '', *['[1002 1000;1000 1000;1000 1000;1002 1000]'] * 11))
    extrinsics = np.array([extrinsics_of(s) for s in subjects]).transpose(1, 0, 2)
    numbers = [*extrinsics.ravel().tolist(), *INTRINSICS.ravel().tolist()]
    w0 = ' '.join(map(repr, numbers))

    def items(values):
        return ''.join(f'<item>{v}</item>' for v in values)

    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as f:
        f.write(
            f'<a><mapping>{"".join(rows)}</mapping><w0>[{w0}]</w0>'
            f'<dbcameras><index2id>{items(CAMERAS)}</index2id></dbcameras>'
            f'<actionnames>{items(ACTION_NAMES)}</actionnames></a>'
        )


def write_pose_cdf(path, poses):
    """Write (n, 32, D) poses as the variable ``Pose`` (1, n, 32 D) of a CDF file."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data_type = {'float32': CDF.CDF_FLOAT, 'float64': CDF.CDF_DOUBLE}[poses.dtype.name]
    cdf = CDF(path, {'Compressed': 0}, delete=True)
    spec = dict(
        Variable='Pose',
        Data_Type=data_type,
        Num_Elements=1,
        Rec_Vary=True,
        Var_Type='zVariable',
        Dim_Sizes=[len(poses), poses[0].size],
    )
    cdf.write_var(spec, var_data=poses.reshape(1, len(poses), -1))
    cdf.close()


def random_poses(rng, n, dtype=np.float32):
    """(n, 32, 3) world coordinates in mm near the middle of the studio, drifting."""
    body = rng.normal(0, 300, (1, 32, 3)) + [0, 0, 900]
    drift = np.cumsum(rng.normal(0, 8, (n, 32, 3)), axis=0)
    return (body + drift).astype(dtype)
