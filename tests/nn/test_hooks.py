"""Hooks of tensors and of modules: what they see, what they change, at every order; and what a compiled step does."""

import copy
import gc
import pickle

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.tape import listeners
from minigrad.tape.hooks import retained

rng = np.random.default_rng(0)
X = rng.normal(size=(4, 3))


def test_a_hook_changes_the_gradient_at_every_order():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with x.register_hook(lambda g: g * 10):
        (dy,) = mg.pull((x * x * x).sum(), [x], create_graph=True)
        assert dy.data.tolist() == [30, 120]
        assert mg.pull(dy.sum(), [x])[0].data.tolist() == [600, 1200]  # 60 x, and the hook once more
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_a_hook_sees_the_sum_over_all_paths_once_and_of_computed_tensors_too():
    x, seen = mg.tensor([1.0, 2.0], requires_grad=True), []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.data.tolist()))
    (y * y + 3 * y).sum().backward()
    assert seen == [[7, 11]]  # 2 y + 3
    assert x.grad.tolist() == [14, 22]


def test_hooks_run_in_order_and_a_gradient_that_is_shared_is_not_written_to():
    x, z = (mg.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))

    def doubled(g):
        g *= 2  # a tensor of its own

    x.register_hook(doubled)
    x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 3)
    (x + z).sum().backward()
    assert x.grad.tolist() == [6, 6] and z.grad.tolist() == [1, 1]


def test_retain_grad():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = mg.relu(x * x)
    y.retain_grad(), x.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [2, 8] and x.grad.tolist() == [4, 32]


def test_what_is_known_of_a_tensor_goes_with_it():
    gc.collect()
    before = len(listeners), len(retained)
    x = mg.tensor([1.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g), y.retain_grad(), x.register_hook(lambda g: g)
    del x, y
    assert (len(listeners), len(retained)) == before


def test_what_cannot_be_hooked():
    with pytest.raises(RuntimeError, match=r"register_hook: the tensor, float64 \(1,\), requires no grad"):
        mg.tensor([1.0]).register_hook(lambda g: g)
    with pytest.raises(TypeError, match="register_hook: hook is 3"):
        mg.tensor([1.0], requires_grad=True).register_hook(3)
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(
        ValueError, match=r"the hook gave float64 \(\) for the gradient of a tensor that is float64 \(2,\)"
    ):
        (x * x).sum().backward()


class Two(nn.Module):
    def forward(self, a, b, power=2):
        return a * b**power, {"sum": a + b}


def test_backward_hooks_of_a_module_with_several_inputs_and_outputs():
    module, seen = Two(), []
    a, b = mg.tensor([1.0, 2.0], requires_grad=True), mg.tensor(np.array([3, 4], np.float32), requires_grad=True)

    def hook(m, grad_input, grad_output):
        seen.append((m, *(g.data.tolist() for g in (*grad_input, *grad_output))))
        return grad_input[0] * 2, grad_input[1]

    module.register_full_backward_hook(hook)
    y, more = module(a, b)
    (y.sum() + (more["sum"] * 5).sum()).backward()
    assert seen == [(module, [14, 21], [11, 21], [1, 1], [5, 5])]
    assert a.grad.tolist() == [28, 42] and b.grad.tolist() == [11, 21] and b.grad.dtype == np.float32


def test_forward_hooks_change_what_goes_in_and_comes_out():
    layer, order = nn.Linear(3, 2, rng=0).double(), []
    plain = layer(X).data
    layer.register_forward_pre_hook(lambda m, args: order.append("second"))
    layer.register_forward_pre_hook(lambda m, args: order.append("first"), prepend=True)
    layer.register_forward_pre_hook(lambda m, args, kwargs: ((args[0] * 0.0,), kwargs), with_kwargs=True)
    handle = layer.register_forward_hook(lambda m, args, y: y + 1)
    for grads in True, False:
        if not grads:
            with mg.no_grad():
                y = layer(X)
        else:
            y = layer(X)
        assert np.allclose(y.data, layer.bias.data + 1) and order == ["first", "second"]
        order.clear()
    handle.remove(), handle.remove()
    assert np.allclose(layer(X).data, layer.bias.data)
    layer._hooks.clear()
    assert np.array_equal(layer(X).data, plain)


def test_a_first_layer_without_gradients_of_its_input_calls_the_hook():
    layer, seen = nn.Linear(3, 2, rng=0).double(), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].shape)))
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))
    layer(X).sum().backward()
    assert seen == [((None,), (4, 2))] and layer.bias.grad.tolist() == [8, 8]


def test_second_order_through_hooks_that_change_nothing():
    net = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 1, rng=1)).double()
    v = [rng.normal(size=p.shape) for p in net.parameters()]

    def product():
        return [h.data for h in mg.hvp(lambda: (net(X) ** 2).sum(), net.parameters(), v)]

    plain = product()
    net[1].register_full_backward_hook(lambda m, gi, go: None)
    net[2].register_forward_hook(lambda m, args, y: None)
    net[0].weight.register_hook(lambda g: None)
    for a, b in zip(product(), plain):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_hooks_stay_with_copies_and_are_no_modules():
    layer = nn.Linear(3, 2, rng=0)
    layer.register_forward_hook(add_one)
    twin, loaded = copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))
    assert layer.modules() == [layer] and list(layer.state_dict()) == ["weight", "bias"]
    x = X.astype(np.float32)
    assert np.array_equal(twin(x).data, layer(x).data) and np.array_equal(loaded(x).data, layer(x).data)


def add_one(module, args, y):
    return y + 1


def test_a_compiled_step_sees_hooks():
    net = nn.Sequential(nn.Linear(3, 2, rng=0)).double()

    def step(x):
        net.zero_grad()
        loss = net(x).sum()
        loss.backward()
        return loss

    compiled, seen = mg.compile(step), []
    x, other = mg.tensor(X), mg.tensor(X, requires_grad=True)
    other.register_hook(lambda g: seen.append(0))  # which the step does not meet
    compiled(x), compiled(x)
    with net[0].weight.register_hook(lambda g: seen.append(1)), pytest.warns(RuntimeWarning, match="a hook is called"):
        compiled(x)
    compiled = mg.compile(step)
    compiled(x)
    net.register_forward_hook(lambda m, args, y: seen.append(2))
    with pytest.warns(RuntimeWarning, match="a hook of a module is called"):
        compiled(x)
    compiled(x)
    assert seen == [1, 2, 2]
