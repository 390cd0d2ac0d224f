"""Random uses of the operators that are not ONNX's own."""

from __future__ import annotations

from collections.abc import Callable

from tests.random_ops.builder import INTEGERS, Builder


def _scaler(b: Builder, kind: str) -> None:
    """A number for each column, or one for all."""
    x = b.value((b.dtype, b.dtype, *INTEGERS), lambda v: len(v.shape) == 2)
    columns = b.pick((1, x.shape[1]))
    options = {"offset": _numbers(b, columns), "scale": _numbers(b, columns)}
    bound, error = 2 * (x.bound + 2), 2 * x.error
    b.add(kind, [x], x.shape, "float32", bound=bound, error=error, grid=x.grid + 6, **options)


def _numbers(b: Builder, count: int) -> list[float]:
    return [float(number) / 8 for number in b.rng.integers(-16, 17, count)]


def _normalizer(b: Builder, kind: str) -> None:
    """Rows that are far from zero."""
    x = b.float(lambda v: len(v.shape) == 2)
    x = b.above(x, 0.5)
    options = {"norm": b.pick(("MAX", "L1", "L2"))}
    b.like(kind, [x], bound=1.0, error=4 * x.error, grid=None, **options)


def _imputer(b: Builder, kind: str) -> None:
    """Of exact values, which are or are not the one to replace."""
    x = b.float(lambda v: len(v.shape) == 2 and v.exact)
    number = _numbers(b, b.pick((1, x.shape[1])))
    mark = b.pick((0.0, 0.5, float("nan")))
    options = {"imputed_value_floats": number, "replaced_value_float": mark}
    b.like(kind, [x], bound=max(x.bound, 2), grid=max(x.grid, 3), **options)


GENERATORS: dict[str, Callable[[Builder, str], None]] = {
    "ai.onnx.ml::Imputer": _imputer,
    "ai.onnx.ml::Normalizer": _normalizer,
    "ai.onnx.ml::Scaler": _scaler,
}
