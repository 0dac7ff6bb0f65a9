"""The skeletons of MPI-INF-3DHP: of its files, and of the products made from them."""

from posepile.joint_info import JointInfo

#: The 28 joints of the training annotations. The pelvis is the root.
SOURCE_JOINTS = (
    'spi3 spi4 spi2 spin pelv neck head htop lcla lsho lelb lwri lhan rcla rsho relb rwri rhan '
    'lhip lkne lank lfoo ltoe rhip rkne rank rfoo rtoe'
).split()
#: The 17 joints of the test annotations, in the order in which poses are evaluated.
TEST_JOINTS = (
    'htop neck rsho relb rwri lsho lelb lwri rhip rkne rank lhip lkne lank pelv spin head'
).split()

JOINT_INFO = JointInfo(
    'htop,neck,rsho,relb,rwri,lsho,lelb,lwri,rhip,rkne,rank,lhip,lkne,lank,spin,head,pelv',
    'htop-head-neck-rsho-relb-rwri,neck-spin-pelv-rhip-rkne-rank',
)
#: All joints; what is spi3 in the files is called thor where datasets are merged.
FULL_JOINT_INFO = JointInfo(
    'thor,spi4,spi2,lcla,lhan,rcla,rhan,lfoo,ltoe,rfoo,rtoe,'
    'htop,neck,rsho,relb,rwri,lsho,lelb,lwri,rhip,rkne,rank,lhip,lkne,lank,spin,head,pelv',
    'htop-head-neck-rcla-rsho-relb-rwri-rhan,'
    'neck-spi4-thor-spi2-spin-pelv-rhip-rkne-rank-rfoo-rtoe',
)


def columns(joint_info, names) -> list[int]:
    """Where the joints of a product are among the ``names`` of a file."""
    return [names.index({'thor': 'spi3'}.get(name, name)) for name in joint_info.names]
