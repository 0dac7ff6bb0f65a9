"""Lists of points that datasets have: joints, vertices, landmarks."""

import numpy as np

from posepile.bodymodels.keypoints import Landmarks, keypoint_names, keypoints


def test_names_are_those_of_the_127_points(smplx_model):
    """Places that RICH and AGORA pick out of their lists."""
    names = keypoint_names(smplx_model)
    assert len(set(names)) == len(names) == 127
    rows = [22, 23, 24, 28, 43, *range(55, 67), 68, 71, 73, 76, 95, 107, 126]
    expected = 'jaw,leyehf,reyehf,lmiddle1,rmiddle1,nose,reye,leye,rear,lear,lto2,lto3,lhee,rto2,'
    expected += 'rto3,rhee,lthu,lmiddle,rthu,rmiddle,reyebrow1,reye1,rmouth1,rlip3'
    assert [names[i] for i in rows] == expected.split(',')


def test_smpl_has_45(model):
    names = keypoint_names(model)
    assert len(names) == 45 and names[:24] == model.joint_names and names[24] == 'nose'
    body = model(np.zeros((2, 72)))
    points = keypoints(model, body)
    assert points.shape == (2, 45, 3)
    np.testing.assert_array_equal(points[:, :24], body.joints)
    np.testing.assert_array_equal(points[:, 24], body.vertices[:, 332])


def test_landmarks_lie_on_their_triangles():
    arrays = dict(
        faces=np.array([[0, 1, 2], [3, 2, 1]]),
        lmk_faces_idx=np.array([1, 0, 1]),
        lmk_bary_coords=np.array([[1, 0, 0], [0.5, 0.25, 0.25], [0, 0.5, 0.5]]),
    )
    vertices = np.random.default_rng(0).normal(size=(2, 4, 3))
    found = Landmarks.from_arrays(arrays)(vertices)
    np.testing.assert_allclose(found[:, 0], vertices[:, 3])
    expected = 0.5 * vertices[:, 0] + 0.25 * vertices[:, 1] + 0.25 * vertices[:, 2]
    np.testing.assert_allclose(found[:, 1], expected)
    np.testing.assert_allclose(found[:, 2], vertices[:, 1:3].mean(axis=1))
    assert Landmarks.from_arrays(dict(faces=arrays['faces'])) is None


def test_keypoints_are_where_they_are_named(smplx_model):
    """Of a person in T-pose who looks along z, x to the left."""
    body = smplx_model(np.zeros(165))
    p = dict(zip(keypoint_names(smplx_model), keypoints(smplx_model, body), strict=True))
    assert p['leye'][0] > 20 and p['reye'][0] < -20 and p['nose'][2] > p['lear'][2]
    assert p['leyebrow3'][0] > 0 > p['reyebrow3'][0]
    assert p['nose1'][1] > p['mouthtop'][1] > p['mouthbottom'][1]
    assert p['lthu'][2] > p['lpinky'][2] and p['lmiddle'][0] > p['lwri'][0] + 100
    assert p['lto2'][1] < -1000 and p['lto2'][2] > p['lhee'][2] + 100
    np.testing.assert_allclose(p['leye'] - p['leyehf'], [0, 0, 12], atol=2.5)
