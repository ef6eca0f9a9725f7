"""Ensembles through another library's executor: dask's, on workers that are processes of their own."""

import numpy as np
import pytest
from train import members

from minigrad import train

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("default")  # dask's own are not ours to mend


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("dask"))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=folder
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


def test_dask_trains_the_same_models(executor):
    here = [members.member(seed) for seed in (5, 6)]
    found = train.ensemble(members.member, [5, 6], executor, threads=1)
    assert {m.threads for m in found} == {1} and here[0].process not in {m.process for m in found}
    for a, b in zip(found, here):
        assert all(np.allclose(p.data, q.data, atol=1e-5) for p, q in zip(a.parameters(), b.parameters()))


def test_a_failing_member_on_dask_loses_nothing(executor):
    with pytest.raises(train.MembersFailed, match="member with seed 2") as caught:
        train.ensemble(members.fails_at_2, 4, executor)
    assert sorted(caught.value.finished) == [0, 1, 3] and "ValueError: out of luck" in str(caught.value)
