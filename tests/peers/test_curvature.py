"""Hessian and Gauss–Newton products of the benchmark's networks, beside torch.func."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))
import curvature
import nets
import timing

torch = pytest.importorskip("torch")
import torch_peer  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of other people's


def together(arrays):
    return np.concatenate([np.asarray(getattr(a, "data", a)).ravel() for a in arrays])


@pytest.mark.parametrize("name", curvature.NETWORKS)
def test_hessian_products_are_torch_funcs(name):
    peer = curvature._torch_func(name)
    steps = curvature.workloads.products(name, False)
    ours = together(steps[timing.OWN]())
    theirs = together(v.numpy() for v in peer[curvature.FUNC]().values())
    assert np.abs(ours - theirs).max() < 1e-5 * np.abs(ours).max()


@pytest.mark.parametrize("name", ["small_cnn", "mlp"])
def test_gauss_newton_products_are_those_of_torch_func(name):
    """(diag p − p pᵀ)/N between a walk down and a walk up."""
    make, shape, *_ = nets.NETS[name]
    (x, _), module = torch_peer._batch(shape), torch_peer._made(make)
    params = {k: p.detach() for k, p in module.named_parameters()}
    vs = {k: torch.from_numpy(v) for k, v in zip(params, nets.directions(nets.own(make)))}

    def outputs(params):
        return torch.func.functional_call(module, params, (x,))

    z, t = torch.func.jvp(outputs, (params,), (vs,))
    p = torch.softmax(z, 1)
    (theirs,) = torch.func.vjp(outputs, params)[1](p * (t - (p * t).sum(1, keepdim=True)) / len(z))
    theirs = together(g.numpy() for g in theirs.values())
    for repeated in (False, True):
        ours = together(curvature._gauss_newton(name, repeated)())
        assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()
