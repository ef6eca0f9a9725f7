"""minigrad: a tape-based autograd framework on NumPy, with Numba kernels. The public names, and nothing else."""

from . import ops
from .calculus import grad, hessian, hvp, jacobian, jvp, linearize, value_and_grad, vjp
from .kernels import get_num_threads, set_num_threads
from .ops.conv import conv2d, fold, unfold
from .ops.elementwise import (
    abs,
    clip,
    cos,
    div,
    elu,
    exp,
    gelu,
    leaky_relu,
    log,
    log1p,
    maximum,
    minimum,
    neg,
    power,
    relu,
    sigmoid,
    silu,
    sin,
    softplus,
    sqrt,
    sub,
    tanh,
    where,
)
from .ops.linalg import matmul
from .ops.loss import cross_entropy, log_softmax, mse_loss, softmax
from .ops.noise import dropout
from .ops.norm import batch_norm
from .ops.pool import avg_pool2d, global_avg_pool2d, max_pool2d
from .ops.reduce import logsumexp, max, mean, min, std, sum, var
from .ops.shape import concat, crop, expand_dims, flatten, matrix_transpose, pad, permute_dims, reshape, squeeze, stack
from .random import seed
from .tape import (
    Primitive,
    Tensor,
    add,
    broadcast_to,
    elementwise,
    fused,
    general,
    linear,
    mul,
    no_grad,
    primitive,
    pull,
    push,
    sum_to,
    tensor,
)
