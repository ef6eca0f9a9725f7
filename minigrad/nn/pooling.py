"""Pooling, padding and resizing as layers: functions of `ops`, for signals, images and volumes (…1d, …2d, …3d).

x is (N, C, …) or, without a batch, (C, …).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from ..ops import conv, pool, resize, shape
from ..ranges import COUNT, INSIDE, NUMBER, POSITIVE, SWITCH, WHOLE, Range, check
from ..tape import Tensor, total
from ..typing import ArrayLike, Rng
from .function import Function, Sizes, SizesOrNone, Widths, sizes
from .layers import own_generator
from .module import Module

__all__ = ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "ChannelShuffle", "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d", "Fold", "FractionalMaxPool2d", "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "PixelShuffle", "PixelUnshuffle", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", "Unfold", "Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d"]  # fmt: skip

Divisor = Annotated[int | None, WHOLE.or_none, "by which sums are divided, in place of the number of entries"]
NormType = Annotated[float, POSITIVE, "p"]
OutputSize = Annotated[
    Any,
    Range(lambda v: all(x is None or COUNT.holds(x) for x in (v if isinstance(v, tuple | list) else [v])), "a whole number ≥ 1, or one for each axis, None for that of x", int),
]  # fmt: skip
Pads = Annotated[
    Any, sizes(WHOLE, "a whole number, or two for each axis, the last axis first"), "before and after; < 0 crops"
]
Factor = Annotated[Any, sizes(POSITIVE, "a number > 0, or one for each axis").or_none]
Count = Annotated[int, COUNT]


class _MaxPool(Function):
    kernel_size: Sizes
    stride: SizesOrNone = None
    padding: Widths = 0
    dilation: Sizes = 1
    return_indices: bool = False
    ceil_mode: bool = False


class MaxPool1d(_MaxPool, f=pool.max_pool1d):
    """The largest entry of each window of signals: see `MaxPool2d`."""


class MaxPool2d(_MaxPool, f=pool.max_pool2d):
    """The largest entry of each window; stride defaults to the kernel size.

    With `return_indices` the layer returns the winners' places, too, for `MaxUnpool2d`.
    """


class MaxPool3d(_MaxPool, f=pool.max_pool3d):
    """The largest entry of each window of volumes: see `MaxPool2d`."""


class _AvgPool(Function):
    kernel_size: Sizes
    stride: SizesOrNone = None
    padding: Widths = 0
    ceil_mode: bool = False
    count_include_pad: bool = True


class AvgPool1d(_AvgPool, f=pool.avg_pool1d):
    """The mean of each window of signals: see `AvgPool2d`."""


class AvgPool2d(_AvgPool, f=pool.avg_pool2d):
    """The mean of each window; stride defaults to the kernel size. Padding counts as zeros, unless told otherwise."""

    divisor_override: Divisor = None


class AvgPool3d(_AvgPool, f=pool.avg_pool3d):
    """The mean of each window of volumes: see `AvgPool2d`."""

    divisor_override: Divisor = None


class _LPPool(Function):
    norm_type: NormType
    kernel_size: Sizes
    stride: SizesOrNone = None
    ceil_mode: bool = False


class LPPool1d(_LPPool, f=pool.lp_pool1d):
    """(Σ xᵖ)^(1/p) over each window of signals."""


class LPPool2d(_LPPool, f=pool.lp_pool2d):
    """(Σ xᵖ)^(1/p) over each window."""


class LPPool3d(_LPPool, f=pool.lp_pool3d):
    """(Σ xᵖ)^(1/p) over each window of volumes."""


class _Adaptive(Function):
    output_size: OutputSize = 1


class AdaptiveAvgPool1d(_Adaptive, f=pool.adaptive_avg_pool1d):
    """The means of output_size regions of signals."""


class AdaptiveAvgPool2d(_Adaptive, f=pool.adaptive_avg_pool2d):
    """The means of output_size regions: with 1, of the whole image, as (N, C, 1, 1)."""


class AdaptiveAvgPool3d(_Adaptive, f=pool.adaptive_avg_pool3d):
    """The means of output_size regions of volumes."""


class _AdaptiveMax(_Adaptive):
    return_indices: bool = False


class AdaptiveMaxPool1d(_AdaptiveMax, f=pool.adaptive_max_pool1d):
    """The largest entry of each of output_size regions of signals."""


class AdaptiveMaxPool2d(_AdaptiveMax, f=pool.adaptive_max_pool2d):
    """The largest entry of each of output_size regions."""


class AdaptiveMaxPool3d(_AdaptiveMax, f=pool.adaptive_max_pool3d):
    """The largest entry of each of output_size regions of volumes."""


class _MaxUnpool(Function):
    kernel_size: Sizes
    stride: SizesOrNone = None
    padding: Widths = 0

    def forward(self, x: ArrayLike, indices: ArrayLike, output_size: Any = None) -> Tensor:
        return self.f(x, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpool, f=pool.max_unpool1d):
    """Entries put back to the places that `MaxPool1d` found them at, zeros elsewhere."""


class MaxUnpool2d(_MaxUnpool, f=pool.max_unpool2d):
    """Entries put back to the places that `MaxPool2d` found them at, zeros elsewhere."""


class MaxUnpool3d(_MaxUnpool, f=pool.max_unpool3d):
    """Entries put back to the places that `MaxPool3d` found them at, zeros elsewhere."""


class FractionalMaxPool2d(Module):
    """The largest entry of each of output_size random regions, between one and a few pixels wide (Graham 2014).

    Give `output_size`, or `output_ratio`, output over input, in (0, 1): an image can shrink by √2, say, and so pass more
    poolings than halving allows. In training regions are drawn anew in each call: see `mg.fractional_max_pool2d` for
    `regions`, `sequence` and `mode`. At test time the layer gives the mean of poolings over `samples` choices of
    regions, always the same ones. What follows the layer is not linear, so that a network's mean prediction over random
    regions is something else: for it, see `nn.averaged`. (PyTorch's layer takes a kernel size first, and has one form.)

    >>> pool = FractionalMaxPool2d(output_ratio=0.7, rng=0)
    >>> pool(np.ones((2, 3, 10, 10), np.float32)).shape
    (2, 3, 7, 7)
    """

    def __init__(
        self,
        output_size: Any = None,
        output_ratio: Any = None,
        *,
        regions: str = "overlapping",
        sequence: str = "pseudorandom",
        mode: str = "batch",
        samples: int = 8,
        rng: Rng = None,
    ) -> None:
        name = "FractionalMaxPool2d"
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{name}: give one of output_size and output_ratio")
        pool.check_regions(name, regions, sequence, mode)
        check(name, COUNT, samples=samples)
        self.output_size = None if output_size is None else conv.pair(name, "output_size", output_size, 1)
        self.output_ratio = None if output_ratio is None else _ratios(name, output_ratio)
        self.regions, self.sequence, self.mode, self.samples = regions, sequence, mode, samples
        self.rng = own_generator(rng)

    def forward(self, x: ArrayLike) -> Tensor:
        x = shape.as_tensor(x)
        conv.check_image("fractional_max_pool2d", x)
        (h, w), (rows, columns) = x.shape[2:], self.output_ratio or (0, 0)
        size = self.output_size or (max(1, int(h * rows)), max(1, int(w * columns)))
        kind = {"regions": self.regions, "sequence": self.sequence}
        if self.training:
            return pool.fractional_max_pool2d(x, size, **kind, mode=self.mode, rng=self.rng)
        poolings = [pool.fractional_max_pool2d(x, size, **kind, rng=seed) for seed in range(self.samples)]
        return total(poolings) * (1 / self.samples)


def _ratios(name: str, ratio: Any) -> tuple[float, float]:
    two = ratio if isinstance(ratio, tuple | list | np.ndarray) else (ratio, ratio)
    if len(two) != 2 or not all(map(INSIDE.holds, two)):
        raise ValueError(
            f"{name}: output_ratio is {INSIDE.told(ratio)}; it must be a number, or two, in (0, 1): output over input"
        )
    return float(two[0]), float(two[1])


# ---- padding ---------------------------------------------------------------------------------------------------------


class _Pad(Function):
    padding: Pads
    mode: ClassVar[str] = "constant"
    value = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.padding, tuple | list):
            self.padding = (self.padding,) * self._many

    def forward(self, x: ArrayLike) -> Tensor:
        return resize.pad_last(x, self.padding, self.mode, self.value)


class ZeroPad1d(_Pad):
    """Signals with zeros around; padding is an int or (left, right)."""


class ZeroPad2d(_Pad):
    """Images with zeros around; padding is an int or (left, right, top, bottom)."""


class ZeroPad3d(_Pad):
    """Volumes with zeros around; padding is an int or (left, right, top, bottom, front, back)."""


class _ConstantPad(_Pad):
    value: Annotated[float, NUMBER] = 0.0


class ConstantPad1d(_ConstantPad):
    """Signals with a value around; padding is an int or (left, right)."""


class ConstantPad2d(_ConstantPad):
    """Images with a value around; padding is an int or (left, right, top, bottom)."""


class ConstantPad3d(_ConstantPad):
    """Volumes with a value around; padding is an int or (left, right, top, bottom, front, back)."""


class ReflectionPad1d(_Pad):
    """Signals mirrored at their ends, which are not repeated."""

    mode = "reflect"


class ReflectionPad2d(ReflectionPad1d):
    """Images mirrored at their borders, which are not repeated."""


class ReflectionPad3d(ReflectionPad1d):
    """Volumes mirrored at their borders, which are not repeated."""


class ReplicationPad1d(_Pad):
    """Signals with their ends repeated."""

    mode = "replicate"


class ReplicationPad2d(ReplicationPad1d):
    """Images with their borders repeated."""


class ReplicationPad3d(ReplicationPad1d):
    """Volumes with their borders repeated."""


class CircularPad1d(_Pad):
    """Signals that go on with their other end."""

    mode = "circular"

    def forward(self, x: ArrayLike) -> Tensor:
        x, d = shape.as_tensor(x), len(self.padding) // 2
        if x.ndim not in (d + 1, d + 2):
            raise ValueError(f"{type(self).__name__}: x has shape {x.shape}; it must have {d + 1} or {d + 2} axes")
        return super().forward(x)


class CircularPad2d(CircularPad1d):
    """Images that go on with their other side."""


class CircularPad3d(CircularPad1d):
    """Volumes that go on with their other side."""


# ---- resizing and rearranging ------------------------------------------------------------------------------------------


class Upsample(Function, f=resize.interpolate):
    """x resized to `size` or by `scale_factor`: `mg.interpolate`."""

    size: SizesOrNone = None
    scale_factor: Factor = None
    mode: Literal["nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"] = "nearest"
    align_corners: Annotated[bool | None, SWITCH.or_none] = None
    recompute_scale_factor: Annotated[bool | None, SWITCH.or_none] = None


class _Upsampling(Function):
    size: SizesOrNone = None
    scale_factor: Factor = None


class UpsamplingNearest2d(_Upsampling, f=resize.upsample_nearest):
    """Images resized by the nearest pixel."""


class UpsamplingBilinear2d(_Upsampling, f=resize.upsample_bilinear):
    """Images resized linearly along both axes, corners kept in place."""


class PixelShuffle(Function, f=resize.pixel_shuffle):
    """(…, C r², H, W) as (…, C, H r, W r)."""

    upscale_factor: Count


class PixelUnshuffle(Function, f=resize.pixel_unshuffle):
    """(…, C, H r, W r) as (…, C r², H, W)."""

    downscale_factor: Count


class ChannelShuffle(Function, f=resize.channel_shuffle):
    """Channels in `groups` groups, made to alternate."""

    groups: Count


class Unfold(Function, f=conv.unfold_columns):
    """The sliding windows of images (N, C, H, W) as columns (N, C·kh·kw, windows)."""

    kernel_size: Sizes
    dilation: Sizes = 1
    padding: Widths = 0
    stride: Sizes = 1


class Fold(Function, f=conv.fold_columns):
    """Columns (N, C·kh·kw, windows) added up where they overlap into images (N, C, H, W)."""

    output_size: Sizes
    kernel_size: Sizes
    dilation: Sizes = 1
    padding: Widths = 0
    stride: Sizes = 1
